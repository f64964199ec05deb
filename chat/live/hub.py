"""The hub: the readers in this process, by room, and how each room's changes reach them.

It owns the room's one broadcaster subscription in this process. The broker gives hints; only the source is certain.
Every reader of a room is at the room's cursor, or is catching up to it.
"""

import logging
from collections.abc import Collection, Sequence, Set
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskStatus
from broadcaster._base import Subscriber

from chat.beat import REST, beat, beat_or_rest
from chat.ids import Revision, RoomId, UserId
from chat.live.brokers.broker import Broker
from chat.live.catching_up import SOURCE_TIMEOUT, CatchingUp
from chat.live.events import MessagesChanged
from chat.live.frames import encode_frame
from chat.live.hints import Hint, hints_of_others
from chat.live.reader import Reader, send_to_all
from chat.live.repair import Repair
from chat.live.revision import Verdict, judge
from chat.live.room import AtHand, LiveRoom
from chat.live.source import RoomChanges, Source, SourceUnavailable
from chat.supervision import Failures, Supervisor, supervised
from chat.tally import LiveTally
from chat.tracing.tracing import Tracing

logger = logging.getLogger(__name__)

REPAIR_SECONDS = 1.0  # the longest delay of a change whose hints are all lost
LINGER_SECONDS = 30.0  # an empty room stays subscribed this long, because people reload and come back


class Hub:
    """Sends changes to the readers in this process. `run` must be running for as long as it is used."""

    def __init__(
        self, broadcast: Broker, node: str, source: Source, reload: str, tracing: Tracing | None = None
    ) -> None:
        self._broadcast = broadcast
        self._source = source
        self._reload = encode_frame(reload)
        self._epoch = ""
        self._node = node
        self._catching_up = CatchingUp(source)
        self.tally = LiveTally()
        self._tracing = tracing or Tracing()
        self._rooms: dict[RoomId, LiveRoom] = {}
        self._readers: dict[Reader, None] = {}
        # Each person's pages, the oldest first.
        self._readers_of: dict[UserId, dict[Reader, None]] = {}
        self._at_hand = AtHand()
        self._repair = Repair(broadcast, self._rooms, self.tally, heads=self._heads, catch_up=self._catch_up)
        self._tasks: Supervisor

    async def run(self, failures: Failures | None = None, *, task_status: TaskStatus[None]) -> None:
        """Keep rooms in step with the database until cancelled."""
        async with supervised(failures) as self._tasks:
            self._tasks.keep(self._repair.listen, "hub resync")
            self._tasks.keep(self._look_after_rooms, "hub repair")
            task_status.started()

    async def publish(self, event: MessagesChanged, committed_at: float | None = None) -> None:
        """Tell every process that messages of a room changed: this one at once, the others without waiting."""
        spans = [self._tracing.begin("publish", trace, of="producer") for trace in event.traces]
        traces = tuple(span.trace for span in spans if span.trace)
        changes = replace(event.changes, committed_at=committed_at, traces=traces)
        hint = Hint(self._node, str(event.epoch), event.base, changes)
        if hint.epoch == self._epoch:
            self.receive(event.room_id, hint.base, changes)
        room, channel = self._rooms.get(event.room_id), _channel(event.room_id)
        is_heard_here = room is not None and room.subscription is not None
        if self._broadcast.reaches_others(channel, than=is_heard_here):
            await self._broadcast.publish(channel, hint.encode())
        for span in spans:
            span.end()

    def readers(self) -> Collection[Reader]:
        """Return all readers connected to this process, or about to be."""
        return self._readers.keys()

    @property
    def reader_count(self) -> int:
        """The number of these readers."""
        return len(self._readers)

    def people(self) -> Set[UserId]:
        """Return the people with a page connected to this process."""
        return self._readers_of.keys()

    def readers_of(self, user_id: UserId) -> Collection[Reader]:
        """Return a person's pages connected to this process."""
        return self._readers_of.get(user_id, ())

    def room_ids(self) -> list[RoomId]:
        """Return the rooms with readers here, or with readers half a minute ago, as these may come back."""
        return list(self._rooms)

    def send_to_room(self, room_id: RoomId, html: str, most: int | None = None) -> None:
        """Send markup without a revision to the readers of a room here, unless there are more than `most`."""
        room = self._rooms.get(room_id)
        if room is not None and (most is None or len(room.readers) <= most):
            send_to_all(room.readers, encode_frame(html))

    async def enter(self, reader: Reader) -> None:
        """Register a reader until it leaves. Changes of its room reach it only after `replay`.

        May raise `SourceUnavailable`; then the reader is not registered.
        """
        self._readers[reader] = self._readers_of.setdefault(reader.user_id, {})[reader] = None
        try:
            await self.enter_room(reader, reader.room_id)
        except BaseException:
            self.leave(reader)
            raise

    def leave(self, reader: Reader) -> None:
        """Remove a reader."""
        self._readers.pop(reader, None)
        mine = self._readers_of[reader.user_id]
        mine.pop(reader, None)
        if not mine:
            del self._readers_of[reader.user_id]
        self.leave_room(reader)

    async def enter_room(self, reader: Reader, room_id: RoomId | None) -> None:
        """Let a registered reader into a room, or into none. Changes reach it only after `replay`.

        May raise `SourceUnavailable`; the reader is in the room all the same, until it leaves it.
        """
        reader.room_id = room_id
        if room_id is None:
            return
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = LiveRoom(room_id, self.tally, self._tracing)
        room.visitors += 1
        if room.subscription is not None:
            return  # a room with visitors stays open
        async with room.lock:
            if room.subscription is None:
                await self._open(room)

    def leave_room(self, reader: Reader) -> None:
        """Take a reader out of its room, if it is in one: it gets no more of the room's changes."""
        if reader.room_id is None:
            return
        room = self._rooms[reader.room_id]
        room.readers.pop(reader, None)
        room.visitors -= 1
        room.empty_since = anyio.current_time()
        reader.room_id = None

    async def replay(self, reader: Reader, after: Revision, epoch: str) -> None:
        """Send all changes after a revision, then let the reader go live, without a gap or an overlap.

        A reader of another epoch, from the future, or more than a replay behind is told to reload the page.
        May raise `SourceUnavailable`.
        """
        assert reader.room_id is not None
        room = self._rooms[reader.room_id]
        is_current = epoch == self._epoch and await self._bring_up_to_date(room, reader, after)
        if not is_current and reader.room_id == room.id:
            reader.send(self._reload)

    async def _bring_up_to_date(self, room: LiveRoom, reader: Reader, after: Revision) -> bool:
        reader.cursor = after
        while reader.room_id == room.id and not room.admit(reader):
            start = min(reader.cursor, room.cursor)
            # A replay up to the room's revision is as new as its other readers. A reader may be ahead of the room.
            up_to = room.cursor if start < room.cursor else None
            replay, is_new = await self._catching_up.fetch(self._tasks, room.id, start, up_to)
            if replay.changes is None:
                return False
            if replay.changes.revision <= start:
                if is_new:
                    return False
                continue  # a query that started before this reader's page was made
            # The room moves first, or a reader ahead of it would wait for the next hint.
            self._advance(room, replay.changes)
            if replay.changes.revision > reader.cursor and reader.room_id == room.id:
                self.tally.replays += 1
                reader.send(replay.frame_from(reader.cursor))
                reader.cursor = replay.changes.revision
        return True

    def receive(self, room_id: RoomId, base: Revision, changes: RoomChanges) -> None:
        """Act on a hint by the revision rule."""
        room = self._rooms.get(room_id)
        if room is None or room.subscription is None:
            return
        verdict = judge(room.cursor, base, changes.revision)
        if verdict is Verdict.DELIVER:
            self._advance(room, changes)
        elif verdict is Verdict.FETCH and room.visitors:
            self._catch_up(room, changes.revision, "gap")

    def _advance(self, room: LiveRoom, changes: RoomChanges) -> None:
        REST.end()
        room.advance(changes)
        self._at_hand.note(room)

    async def _open(self, room: LiveRoom) -> None:
        subscription = AsyncExitStack()
        subscriber = await subscription.enter_async_context(self._broadcast.subscribe(_channel(room.id)))
        try:
            # Asked after subscribing, so every later change comes as a hint.
            room.start_at((await self._heads([room.id])).get(room.id, Revision(0)))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await subscription.aclose()
            raise
        room.subscription = subscription
        self._tasks.keep(partial(self._listen, room.id, subscriber), f"hub {_channel(room.id)}", may_end=True)

    async def _listen(self, room_id: RoomId, subscriber: Subscriber) -> None:
        async for hint in hints_of_others(subscriber, self._node, _channel(room_id)):
            if hint.epoch == self._epoch:
                self.receive(room_id, hint.base, hint.changes)

    async def _look_after_rooms(self) -> None:
        while True:
            # What others change may come by this alone.
            await (beat if self._broadcast.is_shared else beat_or_rest)(REPAIR_SECONDS)
            await self._repair.compare()
            await self._close_empty_rooms()

    async def _close_empty_rooms(self) -> None:
        deadline = anyio.current_time() - LINGER_SECONDS
        for room in list(self._rooms.values()):
            if room.visitors or room.empty_since > deadline:
                continue
            async with room.lock:
                if room.visitors == 0 and room.subscription is not None:
                    subscription, room.subscription = room.subscription, None
                    await subscription.aclose()
            if room.visitors == 0:
                del self._rooms[room.id]
                self._at_hand.forget(room)

    def _catch_up(self, room: LiveRoom, announced: Revision, cause: str) -> None:
        """Fetch the changes that the room's readers miss, in the background and once for all of them."""
        room.announced = max(room.announced, announced)
        if not room.is_catching_up:
            room.is_catching_up = True
            self.tally.repairs[cause] += 1
            self._tasks.once(partial(self._fetch_missing, room), f"catch up {_channel(room.id)}")

    async def _fetch_missing(self, room: LiveRoom) -> None:
        try:
            while room.cursor < room.announced:
                replay, is_new = await self._catching_up.fetch(self._tasks, room.id, room.cursor)
                if replay.changes is None:
                    self._reload_room(room, await self._heads([room.id]))
                else:
                    self._advance(room, replay.changes)
                if replay.changes is None or (is_new and not replay.changes.items):
                    # The database does not have the hinted revision: the hint is from before a restore.
                    room.announced = room.cursor
        except SourceUnavailable as error:
            # The next repair tries again.
            logger.warning("Could not fetch the changes of %s: %s", _channel(room.id), error)
        finally:
            room.is_catching_up = False

    async def _heads(self, room_ids: Sequence[RoomId]) -> dict[RoomId, Revision]:
        try:
            with anyio.fail_after(SOURCE_TIMEOUT):
                heads = await self._source.heads(room_ids)
        except TimeoutError as error:
            raise SourceUnavailable("no answer in time") from error
        if self._epoch and heads.epoch != self._epoch:
            self._start_anew(heads.revisions)
        self._epoch = heads.epoch
        return heads.revisions

    def _start_anew(self, revisions: dict[RoomId, Revision]) -> None:
        """Make every page reload: the database was restored, so its history may differ from what they show."""
        logger.warning("The database was restored from a backup: every page reloads")
        self._catching_up.forget()
        for room in self._rooms.values():
            self._reload_room(room, revisions)
        for reader in self.readers():
            if reader.room_id is None:
                reader.send(self._reload)

    def _reload_room(self, room: LiveRoom, revisions: dict[RoomId, Revision]) -> None:
        room.start_at(revisions.get(room.id, Revision(0)))
        readers, room.readers = room.readers, {}
        for reader in readers:
            reader.send(self._reload)


def _channel(room_id: RoomId) -> str:
    return f"room:{room_id}"
