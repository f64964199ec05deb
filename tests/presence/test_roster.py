"""The roster looks again from time to time for what has changed without an event."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import anyio
import pytest

from chat.beat import until_beat
from chat.ids import Revision, RoomId, SessionId, UserId
from chat.live import roster
from chat.live.brokers.broker import Broker, MemoryBackend
from chat.live.bus import Bus
from chat.live.hub import Hub
from chat.live.presence import Presence
from chat.live.reader import Reader
from chat.live.roster import Roster
from tests.live.test_revision_rule import EPOCH, ROOM, FakeHistory, visiting

pytestmark = pytest.mark.anyio


class Lists(FakeHistory):
    """A source that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.database, self.listed, self.looks = "as it was", 0, 0

    async def state(self) -> str:
        return self.database

    async def statuses(self) -> dict[UserId, str]:
        self.looks += 1
        return {UserId(7): f"look {self.looks}"}

    async def online_lists(self, room_ids: Collection[RoomId], online: object) -> dict[RoomId, str]:
        self.listed += 1
        return {room_id: f"list {self.listed} of room {room_id}" for room_id in room_ids}


@asynccontextmanager
async def running(source: Lists) -> AsyncIterator[tuple[Hub, Roster]]:
    """A hub with a reader in no room, and its roster, which looks only while there is a reader."""
    broker = Broker(MemoryBackend())
    async with broker, anyio.create_task_group() as tasks:
        hub = Hub(broker, "this process", source, reload="")
        await tasks.start(hub.run)
        present = Presence(Bus(broker, "this process", lambda _: None), "this process", lambda: None)
        online = Roster(hub, present, source)
        async with visiting(hub, Reader(SessionId(1), UserId(7), None)):
            tasks.start_soon(online.run)
            yield hub, online
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def frames_in_room(hub: Hub) -> AsyncIterator[tuple[Reader, list[bytes]]]:
    """A reader of the room, and the frames that reach it."""
    reader, frames = Reader(SessionId(2), UserId(8), ROOM), list[bytes]()
    reader.send = frames.append
    async with visiting(hub, reader):
        await hub.replay(reader, Revision(0), str(EPOCH))
        yield reader, frames


async def test_lists_are_made_again_only_after_a_change_and_statuses_at_each_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roster, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(roster, "SHORTEST_INTERVAL", 0.01)
    source = Lists()
    async with running(source) as (hub, _), frames_in_room(hub) as (_, frames):
        await until(lambda: source.looks >= 5)
        assert source.listed == 1
        source.database = "changed"
        await until(lambda: source.listed == 2)
        looks = source.looks
        await until(lambda: source.looks >= looks + 3)
        assert source.listed == 2
    assert any(b"look 5" in frame for frame in frames)


async def test_a_reader_who_comes_at_the_moment_of_a_look_gets_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(roster, "SHORTEST_INTERVAL", 0.01)
    source = Lists()
    async with running(source) as (hub, online):
        await until(lambda: source.looks >= 2 and until_beat(0.5) > 0.2)
        async with frames_in_room(hub) as (reader, frames):
            loop, looks = asyncio.get_running_loop(), source.looks
            look_at = loop.time() + until_beat(0.5)
            # The loop finds both due at once, the look first.
            loop.call_at(look_at - 0.05, time.sleep, 0.1)
            loop.call_at(look_at + 0.01, online.greet_in_room, reader)
            await until(lambda: source.looks >= looks + 2)
    assert any(b"of room" in frame for frame in frames)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.01)
