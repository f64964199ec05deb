"""The revision rule: readers converge in 10,000 schedules of lost, doubled and reordered hints."""

import random
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.ids import MessageId, Revision, RoomId, SessionId, UserId
from chat.live.brokers.broker import Broker, MemoryBackend
from chat.live.catching_up import KEPT_SECONDS
from chat.live.events import MessagesChanged
from chat.live.hints import Hint, is_from
from chat.live.hub import Hub
from chat.live.pace import LONGEST, SHORTEST
from chat.live.reader import Reader
from chat.live.revision import Verdict, judge
from chat.live.source import Heads, MessageChange, RoomChanges, RoomCount, Seat
from tests.support.frames import changes_in

ROOM = RoomId(1)
EPOCH = UUID(int=1)


class Page:
    """A reader that keeps what a page would show, and insists that nothing new is shown twice."""

    def __init__(self, after: int = 0, shown: Mapping[int, int] | Mapping[MessageId, int] | None = None) -> None:
        self.reader = Reader(SessionId(1), UserId(1), ROOM)
        self.reader.send = self.take
        self.cursor = after
        self.shown: dict[int, int] = dict((shown or {}).items())
        self.reloads = 0

    def take(self, frame: bytes) -> None:
        new, changed, cursor = changes_in(frame)
        if cursor is None:
            self.reloads += 1
            return
        for message_id, revision in new:
            assert message_id not in self.shown, "shown twice"
            self.shown[message_id] = revision
        for message_id, revision in changed:
            if message_id in self.shown:
                assert revision > self.shown[message_id], "an old change after a newer change"
                self.shown[message_id] = revision
        assert cursor > self.cursor, "the cursor only moves forward"
        self.cursor = cursor


@asynccontextmanager
async def visiting(hub: Hub, reader: Reader) -> AsyncIterator[None]:
    """A reader's place in a hub, from entering to leaving."""
    await hub.enter(reader)
    try:
        yield
    finally:
        hub.leave(reader)


class FakeHistory:
    """A room's history in memory, behind the hub's interface to the database."""

    def __init__(self) -> None:
        self.messages: dict[int, MessageChange] = {}
        self.revision = 0
        self.questions = 0

    def post(self) -> tuple[Revision, RoomChanges]:
        message_id = MessageId(len(self.messages) + 1)
        return self._change(message_id, posted=self.revision + 1)

    def edit(self, message_id: int) -> tuple[Revision, RoomChanges]:
        return self._change(MessageId(message_id), posted=self.messages[message_id].posted_revision)

    def _change(self, message_id: MessageId, posted: int) -> tuple[Revision, RoomChanges]:
        base = Revision(self.revision)
        self.revision += 1
        html = f'<li id="m-{message_id}" data-revision="{self.revision}"></li>'
        change = MessageChange(message_id, Revision(posted), Revision(self.revision), html)
        self.messages[message_id] = change
        return base, RoomChanges((change,), change.revision)

    def view(self) -> dict[int, int]:
        return {message_id: change.revision for message_id, change in self.messages.items()}

    async def changes(self, room_id: RoomId, after: Revision, limit: int) -> RoomChanges | None:
        self.questions += 1
        found = sorted((c for c in self.messages.values() if c.revision > after), key=lambda c: c.revision)
        reached = Revision(self.revision)
        await anyio.lowlevel.checkpoint()
        return RoomChanges(tuple(found), reached) if len(found) <= limit else None

    async def heads(self, room_ids: Collection[RoomId]) -> Heads:
        return Heads(str(EPOCH), {ROOM: Revision(self.revision)})

    async def expelled(self, seats: object) -> set[Seat]:
        return set()

    async def state(self) -> str:
        return ""

    async def statuses(self) -> dict[UserId, str]:
        return {}

    async def counts_above(self, counts: object) -> dict[RoomId, int]:
        return {}

    async def rooms_of(self, user_ids: object) -> dict[UserId, list[RoomCount]]:
        return {}

    async def online_lists(self, room_ids: Collection[RoomId], online: object) -> dict[RoomId, str]:
        return {}


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_hint_is_delivered_only_to_readers_at_the_revision_before_it(cursor: int, base: int, length: int) -> None:
    verdict = judge(Revision(cursor), Revision(base), Revision(base + length))
    if base + length <= cursor:
        assert verdict is Verdict.DROP
    else:
        assert verdict is (Verdict.DELIVER if base == cursor else Verdict.FETCH)


@pytest.mark.anyio
async def test_a_busy_room_gets_few_large_frames_a_quiet_room_each_message() -> None:
    history, frames = FakeHistory(), 0
    broadcast = Broker(MemoryBackend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub = Hub(broadcast, "this process", history, reload="<p>reload</p>")
        await tasks.start(hub.run)
        page = Page()
        async with visiting(hub, page.reader):
            await hub.replay(page.reader, Revision(0), str(EPOCH))

            def count(frame: bytes) -> None:
                nonlocal frames
                frames += 1
                page.take(frame)

            page.reader.send = count
            for _ in range(5):
                await hub.publish(MessagesChanged(ROOM, EPOCH, *history.post()))
                assert page.shown == history.view(), "at once"
                await anyio.sleep(2 * LONGEST)
            assert frames == 5
            started = anyio.current_time()
            for _ in range(200):
                await hub.publish(MessagesChanged(ROOM, EPOCH, *history.post()))
                await anyio.sleep(0.001)
            assert frames <= 5 + 1 + (anyio.current_time() - started) / SHORTEST
            await anyio.sleep(2 * LONGEST)
            assert page.shown == history.view()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_chat_of_one_process_gives_its_broker_nothing_that_nobody_else_hears() -> None:
    history, given = FakeHistory(), []

    class Backend(MemoryBackend):
        async def publish(self, channel: str, message: str) -> None:
            given.append(channel)
            await super().publish(channel, message)

    broadcast = Broker(Backend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub, other = (Hub(broadcast, node, history, reload="<p>reload</p>") for node in ("this process", "another"))
        await tasks.start(hub.run)
        await tasks.start(other.run)
        page, distant = Page(), Page()
        async with visiting(hub, page.reader):
            await hub.replay(page.reader, Revision(0), str(EPOCH))
            await hub.publish(MessagesChanged(ROOM, EPOCH, *history.post()))
            assert (page.shown, given) == (history.view(), [])
            async with visiting(other, distant.reader):
                distant.cursor = history.revision
                await other.replay(distant.reader, Revision(history.revision), str(EPOCH))
                await hub.publish(MessagesChanged(ROOM, EPOCH, *history.post()))
                with anyio.fail_after(5):
                    while distant.cursor < history.revision:
                        await anyio.sleep(0.01)
                assert given == [f"room:{ROOM}"]
        tasks.cancel_scope.cancel()


def test_a_process_recognises_its_own_hints_without_decoding_them() -> None:
    hint = Hint("this process", str(EPOCH), Revision(0), RoomChanges((), Revision(1)))
    assert is_from(hint.encode(), "this process")
    assert not is_from(hint.encode(), "this")
    assert not is_from(hint.encode(), "another")


async def run_schedule(seed: int, changes: int) -> None:
    """Post and edit while hints are dropped, doubled and reordered and readers come; then let the repair happen."""
    chance = random.Random(seed)
    history = FakeHistory()
    for _ in range(chance.randrange(5)):
        history.post()
    broadcast = Broker(MemoryBackend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub = Hub(broadcast, "this process", history, reload="<p>reload</p>")
        await tasks.start(hub.run)
        pages = [Page(history.revision, history.view())]
        async with visiting(hub, pages[0].reader):
            await hub.replay(pages[0].reader, Revision(history.revision), str(EPOCH))
            waiting: list[tuple[Revision, RoomChanges]] = []
            for _ in range(changes):
                edits = history.messages and chance.random() < 0.4
                hint = history.edit(chance.choice(list(history.messages))) if edits else history.post()
                waiting += [hint] * chance.choice((0, 1, 1, 1, 2))
                chance.shuffle(waiting) if chance.random() < 0.3 else None
                while waiting and chance.random() < 0.7:
                    hub.receive(ROOM, *waiting.pop(0))
                if chance.random() < 0.5:
                    await anyio.lowlevel.checkpoint()
                if chance.random() < 0.15:
                    after = chance.randrange(history.revision + 1)
                    shown = {c.message_id: 0 for c in history.messages.values() if c.posted_revision <= after}
                    late = Page(after, shown)
                    pages.append(late)
                    # Two readers share the first reader's seat: the room stays open for as long as it does.
                    tasks.start_soon(hub.replay, late.reader, Revision(after), str(EPOCH))
            for hint in waiting:
                hub.receive(ROOM, *hint)
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            await hub._repair.compare()
            with anyio.fail_after(5):
                while any(page.cursor < history.revision for page in pages):
                    await anyio.lowlevel.checkpoint()
            for page in pages:
                assert page.reloads == 0
                assert set(page.shown) == set(history.messages), "a message is missing"
                for message_id, revision in page.shown.items():
                    change = history.messages[message_id]
                    unchanged = revision == 0 and change.revision <= page.cursor
                    assert revision == change.revision or unchanged
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("part", range(10))
def test_every_reader_converges_though_hints_are_lost_or_reordered(part: int) -> None:
    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32), st.integers(1, 30))
    def schedules(seed: int, changes: int) -> None:
        async def ten() -> None:
            for offset in range(10):
                await run_schedule(seed + offset, changes)

        anyio.run(ten)

    schedules()


@pytest.mark.anyio
async def test_a_reader_of_another_epoch_is_told_to_reload() -> None:
    history = FakeHistory()
    history.post()
    broadcast = Broker(MemoryBackend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub = Hub(broadcast, "this process", history, reload="<p>reload</p>")
        await tasks.start(hub.run)
        for after, epoch in ((Revision(1), "another"), (Revision(7), str(EPOCH))):
            page = Page(after)
            async with visiting(hub, page.reader):
                await hub.replay(page.reader, after, epoch)
            assert page.reloads == 1
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_reader_more_than_500_messages_behind_is_told_to_reload() -> None:
    history = FakeHistory()
    for _ in range(700):
        history.post()
    broadcast = Broker(MemoryBackend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub = Hub(broadcast, "this process", history, reload="<p>reload</p>")
        await tasks.start(hub.run)
        page, near = Page(), Page(300, dict.fromkeys(range(1, 301), 0))
        async with visiting(hub, page.reader):
            await hub.replay(page.reader, Revision(0), str(EPOCH))
            await hub.replay(near.reader, Revision(300), str(EPOCH))
        assert page.reloads == 1
        assert near.reloads == 0
        assert len(near.shown) == 700
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_returning_reader_sees_a_message_posted_and_edited_meanwhile() -> None:
    """Replayed in parts, the post was missing from the first and its edit looked like an old message in the second."""
    history = FakeHistory()
    for _ in range(300):
        history.post()
    history.edit(5)
    broadcast = Broker(MemoryBackend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub = Hub(broadcast, "this process", history, reload="<p>reload</p>")
        await tasks.start(hub.run)
        page = Page()
        async with visiting(hub, page.reader):
            await hub.replay(page.reader, Revision(0), str(EPOCH))
            history.edit(7)
            for _ in range(150):
                history.post()
            await hub._repair.compare()
            with anyio.fail_after(5):
                while page.cursor < history.revision:
                    await anyio.lowlevel.checkpoint()
        assert page.shown == history.view()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_readers_who_return_one_after_another_share_a_replay_until_it_is_old() -> None:
    history = FakeHistory()
    for _ in range(10):
        history.post()
    broadcast = Broker(MemoryBackend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub = Hub(broadcast, "this process", history, reload="<p>reload</p>")
        await tasks.start(hub.run)

        async def come_back(after: int = 2) -> Page:
            page = Page(after, {1: 1, 2: 2})
            async with visiting(hub, page.reader):
                await hub.replay(page.reader, Revision(after), str(EPOCH))
            return page

        pages = [await come_back() for _ in range(50)]
        assert history.questions <= 5, "they take a few milliseconds, unless the machine stands still"
        assert all(page.shown == history.view() for page in pages)
        asked = history.questions
        # More than the room keeps for readers that are a little behind.
        for _ in range(100):
            await hub.publish(MessagesChanged(ROOM, EPOCH, *history.post()))
        assert (await come_back()).shown == history.view()
        assert history.questions == asked + 1
        await anyio.sleep(KEPT_SECONDS + 0.1)
        await come_back()
        assert history.questions == asked + 2
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_room_more_than_500_changes_behind_reloads_its_pages() -> None:
    history = FakeHistory()
    history.post()
    broadcast = Broker(MemoryBackend())
    async with broadcast, anyio.create_task_group() as tasks:
        hub = Hub(broadcast, "this process", history, reload="<p>reload</p>")
        await tasks.start(hub.run)
        page = Page(1, {1: 1})
        async with visiting(hub, page.reader):
            await hub.replay(page.reader, Revision(1), str(EPOCH))
            for _ in range(600):
                history.post()
            await hub._repair.compare()
            with anyio.fail_after(5):
                while not page.reloads:
                    await anyio.lowlevel.checkpoint()
        assert page.reloads == 1
        tasks.cancel_scope.cancel()
