"""The open pages of this process: sends them everything but a room's messages, and closes those that lost access."""

import logging
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import anyio

from chat.beat import beat
from chat.ids import Position, RoomId, SessionId, UserId
from chat.live import elements
from chat.live.frames import encode_frame
from chat.live.hub import Hub
from chat.live.latest_news import LatestNews
from chat.live.reader import Reader, send_to_all
from chat.live.source import Source, SourceUnavailable
from chat.memory import MEGABYTE

logger = logging.getLogger(__name__)

SIGNED_OUT = 4401
REMOVED = 4403
NOT_FOUND = 4404

CHECK_SECONDS = 5.0
RECENT_SECONDS = 10.0  # a page that connects within this time misses nothing
MOST_REMEMBERED_BYTES = 2 * MEGABYTE  # of notices in that time; a page that may have missed more reloads
MOST_SHOWN_TYPING = 200  # readers of a room in this process; in a larger room someone is always typing
NEWS = encode_frame(elements.NEWS)

Audience = RoomId | Collection[UserId] | None  # a room's pages, people's pages, or None for every page


@dataclass(frozen=True, slots=True)
class Fragments:
    """The markup that the live engine itself sends to pages."""

    reload: str
    signed_out: str
    gone: str
    too_many_pages: str
    sidebar_changed: str


class _Notice(NamedTuple):
    at: float
    audience: Audience
    frame: bytes

    @property
    def size(self) -> int:
        """Estimate the bytes in memory; a set takes more than its members."""
        return 256 + len(self.frame) + (0 if isinstance(self.audience, int | None) else 100 * len(self.audience))

    def concerns(self, reader: Reader) -> bool:
        if self.audience is None:
            return True
        return self.audience == reader.room_id if isinstance(self.audience, int) else reader.user_id in self.audience


class OpenPages:
    """Sends events to the pages they concern. `check_seats` must be running to repair lost events."""

    def __init__(self, source: Source, hub: Hub, fragments: Fragments) -> None:
        self._source = source
        self._hub = hub
        self._fragments = fragments
        self._sidebar_changed = encode_frame(fragments.sidebar_changed)
        self._latest_news = LatestNews()
        self._recent: deque[_Notice] = deque()
        self._recent_bytes = 0
        self._forgotten_until = -RECENT_SECONDS

    def show_all(self, html: str) -> None:
        """Send markup to every page."""
        frame = encode_frame(html)
        self._remember(None, frame)
        send_to_all(self._hub.readers(), frame)

    def show_people(self, user_ids: Collection[UserId], html: str) -> None:
        """Send markup to the pages of these people."""
        self._send_to_people(user_ids, encode_frame(html))
        if html == elements.NEWS:
            for user_id in user_ids:
                self._latest_news.note_person(user_id)

    def show_room(self, room_id: RoomId, html: str) -> None:
        """Send markup to a room's pages; when it is "", let them fetch everything around their messages."""
        self._hub.send_to_room(room_id, html or elements.NEWS)
        # A page that comes later fetches the current state, which may be newer than `html`.
        self._remember(room_id, NEWS)
        self._latest_news.note_room(room_id)

    def show_typing(self, room_id: RoomId, html: str) -> None:
        """Send markup to a room's pages unless there are too many."""
        self._hub.send_to_room(room_id, html, most=MOST_SHOWN_TYPING)

    def refresh_sidebars(self, user_ids: Collection[UserId]) -> None:
        """Make the pages of these people reload their sidebar."""
        self._send_to_people(user_ids, self._sidebar_changed)

    def show_read_position(self, user_id: UserId, room_id: RoomId, position: Position) -> None:
        """Tell all pages of a person how far they have read a room."""
        frame = encode_frame(elements.read_position(room_id, position))
        for reader in self._hub.readers_of(user_id):
            reader.send(frame)

    def end_sessions(self, session_ids: Collection[SessionId]) -> None:
        """Close the pages of sessions that have ended."""
        ended = frozenset(session_ids)
        for reader in [reader for reader in self._hub.readers() if reader.session_id in ended]:
            self._end_session(reader)

    def expel(self, room_id: RoomId, user_ids: Collection[UserId]) -> None:
        """Close a room's pages of people who are no longer in it."""
        leave = encode_frame(elements.left_room(room_id))
        for user_id in user_ids:
            for reader in list(self._hub.readers_of(user_id)):
                self._dismiss(reader, room_id, leave, self._fragments.gone)

    def close_room(self, room_id: RoomId, html: str) -> None:
        """Send `html` to all pages of a deleted room, and close them."""
        leave = encode_frame(elements.left_room(room_id))
        for reader in list(self._hub.readers()):
            self._dismiss(reader, room_id, leave, html)

    def repeat(self, reader: Reader) -> None:
        """Replay the last seconds of notices to a reader that has just gone live."""
        self._forget_old()
        # Of equal frames the last counts: a member may choose a theme, another, and the first again.
        latest = dict.fromkeys(notice.frame for notice in reversed(self._recent) if notice.concerns(reader))
        for frame in reversed(latest):
            reader.send(frame)
        if self._forgotten_until > anyio.current_time() - RECENT_SECONDS:
            reader.send(self._sidebar_changed)
            reader.send(NEWS)

    def tell_news(self, reader: Reader, since: float) -> None:
        """Let a page fetch its room's header and composer, if they changed since the moment that the page shows."""
        if self._latest_news.may_miss(reader, since):
            reader.send(NEWS)

    async def has_seat(self, reader: Reader, room_id: RoomId) -> bool:
        """Tell whether a reader may follow a room; close its page if not. May raise `SourceUnavailable`."""
        expelled = await self._source.expelled({(reader.session_id, room_id)})
        if (reader.session_id, None) in expelled:
            self._end_session(reader)
        elif expelled:
            reader.dismiss(NOT_FOUND, self._fragments.gone)
        return not expelled

    async def check_seats(self) -> None:
        """Ask the database every few seconds which pages have lost access, and close them, until cancelled."""
        while True:
            await beat(CHECK_SECONDS)
            self._forget_old()
            readers = list(self._hub.readers())
            if not readers:
                continue
            try:
                expelled = await self._source.expelled({(reader.session_id, reader.room_id) for reader in readers})
            except SourceUnavailable as error:
                logger.warning("Could not check which pages have lost access: %s", error)
                continue
            for reader in readers if expelled else ():
                if (reader.session_id, None) in expelled:
                    self._end_session(reader)
                elif (reader.session_id, reader.room_id) in expelled:
                    reader.dismiss(REMOVED, self._fragments.gone)

    def _end_session(self, reader: Reader) -> None:
        reader.dismiss(SIGNED_OUT, self._fragments.signed_out)

    def _dismiss(self, reader: Reader, room_id: RoomId, leave: bytes, farewell: str) -> None:
        if reader.room_id is None:
            # It may be a page about the room that does not follow its messages.
            reader.send(leave)
        elif reader.room_id == room_id:
            reader.dismiss(REMOVED, farewell)

    def _send_to_people(self, user_ids: Collection[UserId], frame: bytes) -> None:
        self._remember(frozenset(user_ids), frame)
        for user_id in user_ids:
            for reader in self._hub.readers_of(user_id):
                reader.send(frame)

    def _remember(self, audience: Audience, frame: bytes) -> None:
        self._forget_old()
        self._recent.append(_Notice(anyio.current_time(), audience, frame))
        self._recent_bytes += self._recent[-1].size
        while self._recent_bytes > MOST_REMEMBERED_BYTES:
            self._forgotten_until = self._forget_oldest().at

    def _forget_old(self) -> None:
        since = anyio.current_time() - RECENT_SECONDS
        while self._recent and self._recent[0].at < since:
            self._forget_oldest()

    def _forget_oldest(self) -> _Notice:
        oldest = self._recent.popleft()
        self._recent_bytes -= oldest.size
        return oldest
