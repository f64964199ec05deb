"""The unread counts in sidebars: pages are told how many messages their reader's other rooms have.

Each process sends new numbers at most four times a second, in the same frame to every reader, and asks the database
every few seconds in case an event was lost. A page knows its reader's read position, and subtracts.
"""

import logging
from collections.abc import Collection, Iterable, Mapping

import anyio

from chat.beat import beat
from chat.ids import RoomId, UserId
from chat.live import elements
from chat.live.bus import Bus
from chat.live.events import MessageCountsChanged
from chat.live.frames import encode_frame
from chat.live.hub import Hub
from chat.live.reader import Reader, send_to_all
from chat.live.source import RoomCount, Source, SourceUnavailable
from chat.supervision import Failures, supervised

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.25
CHECK_SECONDS = 5.0
CHECKS_A_RELOAD = 12  # memberships are read again once a minute, in case an event was lost


class UnreadCounts:
    """Tells pages the message counts of their reader's other rooms. `run` must be running."""

    def __init__(self, bus: Bus, source: Source, hub: Hub) -> None:
        self._bus = bus
        self._source = source
        self._hub = hub
        self._rooms: dict[UserId, Collection[RoomId]] = {}
        self._members: dict[RoomId, set[UserId]] = {}
        self._counts: dict[RoomId, int] = {}
        self._unknown: set[UserId] = set()
        self._state: str | None = None  # of the database, when memberships were last read again
        self._unpublished: dict[RoomId, int] = {}
        self._arrival = anyio.Event()
        self._news = anyio.Event()

    def arrive(self, user_id: UserId) -> None:
        """Note that a person opened a page here, or that their rooms changed."""
        self._unknown.add(user_id)
        self._arrival.set()

    def refresh(self, user_ids: Collection[UserId]) -> None:
        """Note that the rooms of these people may have changed."""
        for user_id in user_ids:
            if user_id in self._rooms:
                self.arrive(user_id)

    def announce(self, room_id: RoomId, message_count: int) -> None:
        """Note a room's new number of messages; pages are told soon. Never waits."""
        self._unpublished[room_id] = max(message_count, self._unpublished.get(room_id, 0))
        self._news.set()

    async def run(self, failures: Failures | None = None) -> None:
        """Send new numbers until cancelled."""
        async with supervised(failures) as tasks:
            tasks.keep(self._tell, "unread counts")
            tasks.keep(self._welcome, "unread counts of newcomers")
            tasks.keep(self._check, "unread counts check")

    def members_here(self, room_id: RoomId) -> Collection[UserId]:
        """Return the members of a room who have a page open here."""
        return self._members.get(room_id, ())

    def show(self, event: MessageCountsChanged) -> None:
        """Send new numbers to the pages that do not show the room itself."""
        self._show(dict(event.counts))

    def _show(self, counts: Mapping[RoomId, int]) -> None:
        for room_id, count in counts.items():
            members = self._members.get(room_id)
            if not members or count <= self._counts.get(room_id, 0):
                continue
            self._counts[room_id] = count
            if pages := self._pages_elsewhere(room_id, members):
                send_to_all(pages, encode_frame(elements.message_count(room_id, count)))

    def _pages_elsewhere(self, room_id: RoomId, members: Collection[UserId]) -> list[Reader]:
        """Return the pages here of a room's members, but those that show the room itself."""
        pages: Iterable[Reader] = self._hub.readers()
        # A page is looked at in a fraction of the time that a person's pages are found in.
        if len(members) < self._hub.reader_count / 8:
            pages = (page for user_id in members for page in self._hub.readers_of(user_id))
        return [page for page in pages if page.room_id != room_id and page.user_id in members]

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            counts, self._unpublished = self._unpublished, {}
            await self._bus.publish(MessageCountsChanged(tuple(counts.items())))
            await anyio.sleep(GATHER_SECONDS)

    async def _welcome(self) -> None:
        """Look up the rooms of people who have just come; arrivals at the same moment share a query."""
        while True:
            await self._arrival.wait()
            self._arrival = anyio.Event()
            newcomers, self._unknown = self._unknown, set()
            try:
                found = await self._source.rooms_of(newcomers)
            except SourceUnavailable as error:
                logger.warning("Could not fetch the memberships of new readers, and will try again: %s", error)
                self._unknown |= newcomers
            except BaseException:
                # This task is started again.
                self._unknown |= newcomers
                self._arrival.set()
                raise
            else:
                for user_id in newcomers:
                    self._forget(user_id)
                    if self._hub.readers_of(user_id):
                        self._remember(user_id, found.get(user_id, ()))
            await anyio.sleep(GATHER_SECONDS)

    def _remember(self, user_id: UserId, rooms: Collection[RoomCount]) -> None:
        self._rooms[user_id] = tuple(room.room_id for room in rooms)
        for room in rooms:
            self._members.setdefault(room.room_id, set()).add(user_id)
            # It may be lower than before, in a database that was restored.
            self._counts[room.room_id] = room.message_count
        # The page does not know messages posted or read since it was made.
        missed = "".join(
            elements.message_count(room.room_id, room.message_count)
            + elements.read_position(room.room_id, room.read_position)
            for room in rooms
            if room.is_recent
        )
        if missed:
            for reader in self._hub.readers_of(user_id):
                reader.send(encode_frame(missed))

    def _forget(self, user_id: UserId) -> None:
        for room_id in self._rooms.pop(user_id, ()):
            members = self._members[room_id]
            members.discard(user_id)
            if not members:
                del self._members[room_id]
                self._counts.pop(room_id, None)

    async def _check(self) -> None:
        checks = 0
        while True:
            await beat(CHECK_SECONDS)
            checks += 1
            for user_id in self._rooms.keys() - self._hub.people():
                self._forget(user_id)
            if self._unknown:
                self._arrival.set()
            try:
                if checks % CHECKS_A_RELOAD == 0:
                    await self._reload()
                if self._counts:
                    self._show(await self._source.counts_above(self._counts))
            except SourceUnavailable as error:
                logger.warning("Could not fetch the message counts of rooms: %s", error)

    async def _reload(self) -> None:
        """Read the rooms of everybody here again, if anything in the database has changed since the last time."""
        state = await self._source.state()
        if state != self._state:
            self._state = state
            self.refresh(list(self._rooms))
