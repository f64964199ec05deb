"""The counts of other rooms, for people who have just opened a page."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio
import pytest

from chat.ids import Position, RoomId, SessionId, UserId
from chat.live import unread_counts
from chat.live.brokers.broker import Broker, MemoryBackend
from chat.live.bus import Bus
from chat.live.events import MessageCountsChanged
from chat.live.hub import Hub
from chat.live.reader import Reader
from chat.live.source import RoomCount, SourceUnavailable
from chat.live.unread_counts import UnreadCounts
from tests.live.test_revision_rule import ROOM, FakeHistory
from tests.support.databases import execute
from tests.support.live_client import LiveClient
from tests.support.people import Person

pytestmark = pytest.mark.anyio


class Failing(FakeHistory):
    """A source whose first answer is an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.asked: list[object] = []

    async def rooms_of(self, user_ids: object) -> dict[UserId, list[RoomCount]]:
        self.asked.append(user_ids)
        if len(self.asked) == 1:
            raise self.error
        return {}


@pytest.mark.parametrize("error", [SourceUnavailable("away"), RuntimeError("a fault of the chat")])
async def test_people_are_looked_up_again_after_a_failure(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would hear of no other room until they open another page."""
    monkeypatch.setattr(unread_counts, "CHECK_SECONDS", 0.1)
    source, broker = Failing(error), Broker(MemoryBackend())
    hub = Hub(broker, "this process", source, reload="")
    counts = UnreadCounts(Bus(broker, "this process", lambda _: None), source, hub)
    counts.arrive(UserId(1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(counts.run)
        with anyio.fail_after(30):
            while len(source.asked) < 2:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert source.asked[:2] == [{UserId(1)}, {UserId(1)}]


@pytest.mark.parametrize("is_changing", [True, False])
async def test_memberships_are_read_again_after_changes_only(
    is_changing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread_counts, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(unread_counts, "CHECKS_A_RELOAD", 1)
    source, broker = Changing(is_changing), Broker(MemoryBackend())
    hub = Hub(broker, "this process", source, reload="")
    counts = UnreadCounts(Bus(broker, "this process", lambda _: None), source, hub)
    async with anyio.create_task_group() as tasks:
        await tasks.start(hub.run)
        await hub.enter(Reader(SessionId(1), UserId(1), None))
        counts.arrive(UserId(1))
        tasks.start_soon(counts.run)
        with anyio.fail_after(30):
            while source.looks < 10 or (is_changing and source.readings < 4):
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    # When its page came, and perhaps once more: nothing was known of the database before.
    assert is_changing or source.readings <= 2


class Changing(FakeHistory):
    """A source that counts how often it is asked for its state, which may always be another, and for memberships."""

    def __init__(self, is_changing: bool) -> None:
        super().__init__()
        self.is_changing = is_changing
        self.looks = self.readings = 0

    async def state(self) -> str:
        self.looks += 1
        return str(self.looks) if self.is_changing else "the same"

    async def rooms_of(self, user_ids: object) -> dict[UserId, list[RoomCount]]:
        self.readings += 1
        return {UserId(1): [RoomCount(ROOM, 3, Position(0), is_recent=False)]}


class Memberships(FakeHistory):
    """A source that knows who is a member of `ROOM`."""

    def __init__(self, members: Collection[int]) -> None:
        super().__init__()
        self.members = members

    async def rooms_of(self, user_ids: object) -> dict[UserId, list[RoomCount]]:
        return {UserId(user_id): [RoomCount(ROOM, 3, Position(0), is_recent=False)] for user_id in self.members}


def _note(told: list[tuple[int, RoomId | None]], page: tuple[int, RoomId | None], _frame: bytes) -> None:
    told.append(page)


@pytest.mark.parametrize("members", [{7}, {7, 30}, set(range(1, 41)), set(range(1, 80, 2))])
async def test_pages_of_members_who_look_elsewhere_are_told(members: set[int]) -> None:
    source, broker = Memberships(members), Broker(MemoryBackend())
    hub = Hub(broker, "this process", source, reload="")
    counts = UnreadCounts(Bus(broker, "this process", lambda _: None), source, hub)
    told: list[tuple[int, RoomId | None]] = []
    async with anyio.create_task_group() as tasks:
        await tasks.start(hub.run)
        tasks.start_soon(counts.run)
        for user_id in range(1, 41):
            for room_id in (None, ROOM, RoomId(ROOM + 1)):
                reader = Reader(SessionId(user_id), UserId(user_id), room_id)
                reader.send = partial(_note, told, (user_id, room_id))
                await hub.enter(reader)
            counts.arrive(UserId(user_id))
        with anyio.fail_after(30):
            while set(counts.members_here(ROOM)) != members & set(range(1, 41)):
                await anyio.sleep(0.01)
        counts.show(MessageCountsChanged(((ROOM, 4),)))
        tasks.cancel_scope.cancel()
    here = members & set(range(1, 41))
    assert Counter(told) == Counter((user_id, room_id) for user_id in here for room_id in (None, RoomId(ROOM + 1)))


GROW = "UPDATE rooms SET message_count = message_count + 1 WHERE id = $1"


@pytest.mark.usefixtures("unmeasured")
async def test_a_busy_room_is_told_to_other_pages_four_times_a_second(alice: Person, bob: Person) -> None:
    garden, kitchen = alice.create_room("Garden"), alice.create_room("Kitchen")
    for room_id in (garden, kitchen):
        bob.join(room_id)
    numbers = re.compile(rf'data-room="{garden}" data-count="(\d+)"')

    def post_all() -> None:
        with ThreadPoolExecutor(8) as crowd:
            assert all(
                answer.status_code == 200 for answer in crowd.map(lambda n: alice.post(garden, f"{n}"), range(80))
            )

    async with LiveClient(bob, 1) as page:

        def told() -> list[int]:
            return [int(number) for frame in page.frames for number in numbers.findall(frame)]

        await asyncio.to_thread(alice.post, garden, "the first")
        await page.until(lambda: 1 in told())
        # A look at the database tells one number more. One has just been when a change is told that no event tells.
        while not any(f'data-room="{kitchen}" data-count' in frame for frame in page.frames):
            await execute(alice.server.database_url, GROW, kitchen)
            await asyncio.sleep(0.1)
        began = time.monotonic()
        await asyncio.to_thread(post_all)
        seconds = time.monotonic() - began
        await page.until(lambda: told()[-1:] == [81])
        assert told() == sorted(told())
        assert len(set(told())) <= seconds / unread_counts.GATHER_SECONDS + 3
