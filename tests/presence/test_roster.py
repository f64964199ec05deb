"""The roster looks again from time to time for what has changed without an event."""

from collections.abc import Callable

import anyio
import pytest

from chat.ids import RoomId, SessionId, UserId
from chat.live import roster
from chat.live.brokers.broker import Broker, MemoryBackend
from chat.live.bus import Bus
from chat.live.hub import Hub
from chat.live.presence import Presence
from chat.live.reader import Reader
from chat.live.roster import Roster
from tests.live.test_revision_rule import ROOM, FakeHistory, visiting

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

    async def online_lists(self, room_ids: object, online: object) -> dict[RoomId, str]:
        self.listed += 1
        return {ROOM: f"list {self.listed}"}


async def test_lists_are_made_again_only_after_a_change_and_statuses_at_each_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roster, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(roster, "SHORTEST_INTERVAL", 0.01)
    source, broker = Lists(), Broker(MemoryBackend())
    frames: list[bytes] = []
    async with broker, anyio.create_task_group() as tasks:
        hub = Hub(broker, "this process", source, reload="")
        await tasks.start(hub.run)
        present = Presence(Bus(broker, "this process", lambda _: None), "this process", lambda: None)
        reader = Reader(SessionId(1), UserId(7), ROOM)
        reader.send = frames.append
        async with visiting(hub, reader):
            tasks.start_soon(Roster(hub, present, source).run)
            await until(lambda: source.looks >= 5)
            assert source.listed == 1
            source.database = "changed"
            await until(lambda: source.listed == 2)
            looks = source.looks
            await until(lambda: source.looks >= looks + 3)
            assert source.listed == 2
        tasks.cancel_scope.cancel()
    assert any(b"look 5" in frame for frame in frames)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.01)
