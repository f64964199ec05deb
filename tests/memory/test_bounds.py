"""Queues, budgets and the recent changes of rooms are bounded in bytes."""

import asyncio

import anyio
import pytest
from broadcaster import Event

from chat.batches import Batches
from chat.ids import MessageId, Revision, RoomId
from chat.live.backlog import MOST_UNSENT_BYTES, FrameQueue
from chat.live.brokers.incoming import MOST_QUEUED_BYTES, RESYNC, Incoming
from chat.live.brokers.outgoing import Batch, Outgoing
from chat.live.room import RECENT_BYTES, AtHand, LiveRoom
from chat.live.source import MessageChange, RoomChanges
from chat.memory import MEGABYTE, Budget, size_of
from chat.tally import LiveTally
from chat.tracing.tracing import Tracing

pytestmark = pytest.mark.anyio
LONG = "x" * MEGABYTE


async def test_too_many_long_hints_are_replaced_by_a_resync() -> None:
    incoming = Incoming()
    for _ in range(10):
        incoming.put(Event("room:1", LONG))
    kept = [await incoming.get()]
    while kept[-1].channel == RESYNC or len(kept) < 2:
        kept.append(await incoming.get())
        if len(kept) > 10:
            break
    assert any(event.channel == RESYNC for event in kept)
    assert incoming.dropped > 0


async def test_short_hints_are_queued_up_to_the_capacity() -> None:
    incoming = Incoming()
    for number in range(4_000):
        incoming.put(Event("room:1", str(number)))
    assert incoming.dropped == 0
    assert (await incoming.get()).message == "0"


async def test_a_hint_larger_than_the_whole_queue_waits_alone() -> None:
    incoming = Incoming()
    incoming.put(Event("room:1", LONG * 9))
    assert size_of(LONG * 9) > MOST_QUEUED_BYTES
    assert (await incoming.get()).message == LONG * 9


async def test_the_oldest_of_long_hints_to_be_sent_are_dropped() -> None:
    outgoing = Outgoing()
    for number in range(20):
        outgoing.put("room:1", f"{number}{LONG}")
    sent: list[str] = []

    async def send(batch: Batch) -> None:
        assert sum(len(message) for _, message in batch) < 3 * MEGABYTE
        sent.extend(message for _, message in batch)

    with anyio.move_on_after(0.2):
        await outgoing.send_with(send)
    assert 0 < len(sent) <= MOST_QUEUED_BYTES // MEGABYTE
    assert sent[-1].startswith("19x")
    assert outgoing.dropped == 20 - len(sent)


async def test_frames_that_could_not_be_sent_still_count() -> None:
    outgoing = Outgoing()
    for _ in range(3):
        outgoing.put("room:1", LONG)

    async def fail(_batch: Batch) -> None:
        raise ConnectionError

    for _ in range(5):
        with pytest.raises(ConnectionError):
            await outgoing.send_with(fail)
    for _ in range(20):
        outgoing.put("room:1", LONG)
    assert outgoing.dropped >= 19


async def test_frames_queued_for_a_reader_are_bounded() -> None:
    queue = FrameQueue(256)
    number = 0
    while not queue.is_full():
        queue.put_nowait(b"x" * 100_000)
        number += 1
    assert number * 100_000 <= MOST_UNSENT_BYTES + 100_000
    while not queue.empty():
        queue.get_nowait()
    assert not queue.is_full()


def changed(room: LiveRoom, html: str) -> RoomChanges:
    revision = Revision(room.cursor + 1)
    return RoomChanges((MessageChange(MessageId(revision), revision, revision, html),), revision)


async def test_a_room_caches_few_long_changes_or_many_short_changes() -> None:
    room = LiveRoom(RoomId(1), LiveTally(), Tracing())
    for _ in range(64):
        room.advance(changed(room, "short"))
    assert len(room.recent) == 64
    for _ in range(20):
        room.advance(changed(room, "x" * 50_000))
    assert sum(len(change.html) for change in room.recent) <= RECENT_BYTES
    assert room.recent_from == room.recent[0].revision - 1


async def test_only_recently_active_rooms_keep_cached_changes() -> None:
    at_hand = AtHand(1_000_000)
    rooms = [LiveRoom(RoomId(number), LiveTally(), Tracing()) for number in range(50)]
    for room in rooms:
        room.advance(changed(room, "x" * 50_000))
        at_hand.note(room)
    keeping = [room for room in rooms if room.recent]
    assert keeping == rooms[-len(keeping) :]
    assert 10 < len(keeping) < 20
    assert at_hand.bytes <= 1_000_000
    assert all(room.recent_from == room.cursor for room in rooms[: -len(keeping)]), "their readers ask the database"
    for room in rooms:
        at_hand.forget(room)
    assert at_hand.bytes == 0


async def test_work_waits_its_turn_until_the_budget_has_room() -> None:
    budget, order = Budget(10), []
    held = 0

    async def work(name: str, size: int) -> None:
        nonlocal held
        async with budget.of(size):
            held += min(size, 10)
            assert held <= 10
            order.append(name)
            await asyncio.sleep(0.01)
            held -= min(size, 10)

    async with anyio.create_task_group() as tasks:
        for name, size in (("a", 6), ("b", 6), ("c", 1), ("larger than all", 99), ("d", 1)):
            tasks.start_soon(work, name, size)
            await asyncio.sleep(0)
    assert order == ["a", "b", "c", "larger than all", "d"]


async def test_cancelling_a_wait_for_the_budget_leaves_it_unchanged() -> None:
    budget = Budget(10)
    async with budget.of(10):
        with anyio.move_on_after(0.01):
            async with budget.of(5):
                pytest.fail("there is no room")
    with anyio.fail_after(1):
        async with budget.of(10):
            pass


async def test_a_batch_of_long_items_is_smaller() -> None:
    seen: list[list[str]] = []

    async def work(items: list[str]) -> list[int]:
        seen.append(items)
        await asyncio.sleep(0.01)
        return [len(item) for item in items]

    batches: Batches[str, int] = Batches(work, most=10, size=len, most_bytes=10)
    answers = await asyncio.gather(*(batches.ask("x" * size) for size in (1, 4, 4, 4, 20, 1)))
    assert answers == [1, 4, 4, 4, 20, 1]
    assert [[len(item) for item in items] for items in seen] == [[1, 4, 4], [4], [20], [1]]
