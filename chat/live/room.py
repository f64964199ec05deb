"""A room with readers in this process: its revision, and when its readers are sent changes."""

import asyncio
import time
from collections import OrderedDict, deque
from contextlib import AsyncExitStack

import anyio

from chat.ids import Revision, RoomId
from chat.live.frames import frame_of_changes
from chat.live.pace import Pace
from chat.live.reader import Reader, send_to_all
from chat.live.source import MessageChange, RoomChanges
from chat.memory import KILOBYTE, MEGABYTE, size_of
from chat.tally import LiveTally
from chat.tracing.tracing import Span, Tracing

RECENT = 64  # changes a room keeps for readers that are a little behind
RECENT_BYTES = 128 * KILOBYTE  # of their markup
MOST_AT_HAND_BYTES = 4 * MEGABYTE  # … in all rooms together
MOST_GATHERED_BYTES = 128 * KILOBYTE  # of markup; then a frame is sent at once


class LiveRoom:
    """A room with readers here. It knows all changes up to `cursor`, and has sent those up to `sent` to all `readers`.

    `recent` holds every change after `recent_from` and up to the cursor. Messages of a burst are sent together: 8
    messages in a frame cost a quarter of 8 frames. A single message is sent at once.
    """

    def __init__(self, room_id: RoomId, tally: LiveTally, tracing: Tracing) -> None:
        self.id = room_id
        self._tally = tally
        self._tracing = tracing
        self._deliveries: list[Span] = []  # of unsent changes
        self.cursor = self.sent = Revision(0)
        self._pace = Pace()
        self.unsent: list[MessageChange] = []
        self.unsent_bytes = 0
        self.unsent_commits: list[tuple[float, int]] = []  # the time of a commit, and its number of changes
        self.is_gathering = False
        # In the order in which they came, as they lie in memory: a set's order makes a frame a tenth dearer.
        self.readers: dict[Reader, None] = {}
        self.recent: deque[MessageChange] = deque()
        self.recent_bytes = 0
        self.recent_from = Revision(0)
        self.visitors = 0  # readers, including those still connecting
        self.empty_since = 0.0
        self.lock = anyio.Lock()
        self.subscription: AsyncExitStack | None = None
        self.is_catching_up = False
        self.announced = Revision(0)  # the newest revision named by a hint

    def advance(self, changes: RoomChanges) -> None:
        """Take the new part of changes that cover the cursor, and deliver it to the readers here."""
        if changes.revision <= self.cursor:
            return
        new = [change for change in changes.items if change.revision > self.cursor]
        self.unsent.extend(new)
        if changes.committed_at is not None:
            self.unsent_commits.append((changes.committed_at, len(new)))
        for trace in changes.traces:
            self._deliveries.append(self._tracing.begin("deliver", trace, of="consumer"))
        self.recent.extend(new)
        size = sum(size_of(change.html) for change in new)
        self.unsent_bytes += size
        self.recent_bytes += size
        self.cursor = changes.revision
        while len(self.recent) > RECENT or self.recent_bytes > RECENT_BYTES:
            self._forget_oldest()
        wait = self._pace.wait(time.monotonic())
        if wait <= 0 or self.unsent_bytes > MOST_GATHERED_BYTES:
            self.send()
        elif not self.is_gathering:
            self.is_gathering = True
            asyncio.get_running_loop().call_later(wait, self.send)

    def send(self) -> None:
        """Send the readers all known changes."""
        self.is_gathering = False
        if self.sent == self.cursor:
            return
        if self.readers:
            began = time.monotonic()
            frame = frame_of_changes(self.unsent, self.sent, self.cursor)
            send_to_all(self.readers, frame)
            self._pace.sent(began, time.monotonic(), time.process_time())
            self._count(len(self.readers))
        self._clear_unsent()
        self.sent = self.cursor

    def _clear_unsent(self) -> None:
        self.unsent.clear()
        self.unsent_commits.clear()
        self._deliveries.clear()
        self.unsent_bytes = 0

    def _count(self, readers: int) -> None:
        """Count the changes sent to so many readers: once a frame, not once a reader."""
        self._tally.deliveries += readers * len(self.unsent)
        now = time.time()
        for committed_at, changes in self.unsent_commits:
            # The clock of the process that committed may be a little ahead.
            self._tally.lag.observe(max(0.0, now - committed_at), readers * changes)
        for span in self._deliveries:
            span.end(attributes={"chat.readers": readers})

    def start_at(self, revision: Revision) -> None:
        """Set the cursor, without changes to send or to keep."""
        self.cursor = self.sent = revision
        self._clear_unsent()
        self.forget_recent()

    def forget_recent(self) -> None:
        """Drop the recent changes: readers that are behind get them from the database."""
        self.recent.clear()
        self.recent_bytes = 0
        self.recent_from = self.cursor

    def _forget_oldest(self) -> None:
        oldest = self.recent.popleft()
        self.recent_bytes -= size_of(oldest.html)
        self.recent_from = oldest.revision

    def admit(self, reader: Reader) -> bool:
        """Let a reader go live if the changes it misses are kept here; return whether it did."""
        if not self.recent_from <= reader.cursor <= self.cursor:
            return False
        self.send()
        if reader.cursor < self.cursor:
            self._tally.replays += 1
            missed = [change for change in self.recent if change.revision > reader.cursor]
            reader.send(frame_of_changes(missed, reader.cursor, self.cursor))
        self.readers[reader] = None
        return True


class AtHand:
    """The kept changes of all rooms. If they are too many, the least recently used rooms drop theirs."""

    def __init__(self, most: int = MOST_AT_HAND_BYTES) -> None:
        self._most = most
        self._rooms: OrderedDict[LiveRoom, int] = OrderedDict()
        self.bytes = 0

    def note(self, room: LiveRoom) -> None:
        """Note that a room has just got a change."""
        self.forget(room)
        self._rooms[room] = room.recent_bytes
        self.bytes += room.recent_bytes
        while self.bytes > self._most:
            longest_ago = next(iter(self._rooms))
            self.forget(longest_ago)
            longest_ago.forget_recent()

    def forget(self, room: LiveRoom) -> None:
        """Forget a room."""
        self.bytes -= self._rooms.pop(room, 0)
