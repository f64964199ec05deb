"""The roster: the people online, idle, and with a status, on every page; and a room's list of members online."""

import logging
import time
from collections.abc import Mapping
from typing import NamedTuple

import anyio

from chat.beat import until_beat
from chat.ids import RoomId, UserId
from chat.live.frames import encode_frame
from chat.live.hub import Hub
from chat.live.presence import Presence
from chat.live.reader import Reader, send_to_all
from chat.live.source import Source, SourceUnavailable
from chat.reminder import Reminder

logger = logging.getLogger(__name__)

SHORTEST_INTERVAL = 1.0  # seconds; a crowd that arrives at once costs one list a second and room
READERS_A_SECOND = 2000  # with more readers, lists come less often
MOST_LISTED = 1000  # people; a page shows some dozens of avatars
LOOK_SECONDS = 30.0  # a status can end without an event, and events can be lost


class _List(NamedTuple):
    """The markup of a room's members online, and the moment of its last change."""

    html: str
    at: float


class Roster:
    """Sends the roster again when it has changed. `run` must be running."""

    def __init__(self, hub: Hub, presence: Presence, source: Source) -> None:
        self._hub = hub
        self._presence = presence
        self._source = source
        self._roster = ""
        self._lists: dict[RoomId, _List] = {}
        self._unlisted: set[RoomId] = set()  # rooms that have just got a reader
        self._is_stale = False
        self._state = ""  # of the database, at the last look
        self._news = anyio.Event()
        self._reminder = Reminder()

    def changed(self) -> None:
        """Note that presence, a room's members or a status may have changed."""
        self._is_stale = True
        self._news.set()

    def greet(self, reader: Reader) -> None:
        """Send the current roster to a reader that has just gone live."""
        if self._roster:
            reader.send(encode_frame(self._roster))
        else:
            self.changed()
        self.greet_in_room(reader)

    def greet_in_room(self, reader: Reader, since: float = 0.0) -> None:
        """Send the list of a room's members online to a reader that shows the room as it was at a moment."""
        if reader.room_id is None:
            return
        known = self._lists.get(reader.room_id)
        if known is None:
            self._unlisted.add(reader.room_id)
            self._news.set()
        elif known.at > since:
            reader.send(encode_frame(known.html))

    async def run(self) -> None:
        """Send the roster whenever it has changed, until cancelled."""
        while True:
            with anyio.move_on_after(until_beat(LOOK_SECONDS)) as patience:
                await self._news.wait()
            self._news = anyio.Event()
            readers = list(self._hub.readers())
            if not readers:
                self._roster, self._lists = "", {}
                continue
            try:
                if patience.cancelled_caught and not self._is_stale:
                    await self._look_again()
                else:
                    await self._renew(is_whole=self._is_stale)
            except SourceUnavailable as error:
                if self._reminder.is_due():
                    logger.warning("Could not fetch the people online: %s", error)
                self.changed()
            await anyio.sleep(max(SHORTEST_INTERVAL, len(readers) / READERS_A_SECOND))

    async def _look_again(self) -> None:
        """Send what has changed without an event; the lists only if anything has changed since the last look."""
        state = await self._source.state()
        if state == self._state and not self._unlisted:
            await self._renew_roster()
        else:
            await self._renew(is_whole=True)
            self._state = state

    async def _renew(self, *, is_whole: bool) -> None:
        """Send the roster and all lists as they are now, or only the lists of rooms that have none yet."""
        room_ids, self._unlisted = self._hub.room_ids() if is_whole else list(self._unlisted), set()
        self._is_stale = False
        lists = await self._source.online_lists(room_ids, self._presence.online())
        if is_whole:
            await self._renew_roster()
            self._lists = {room_id: self._lists[room_id] for room_id in lists if room_id in self._lists}
        for room_id, html in lists.items():
            if room_id not in self._lists or self._lists[room_id].html != html:
                self._lists[room_id] = _List(html, time.monotonic())
                self._hub.send_to_room(room_id, html)

    async def _renew_roster(self) -> None:
        statuses = await self._source.statuses()
        roster = _markup(self._presence.online(), self._presence.idle(), statuses)
        if roster != self._roster:
            self._roster, frame = roster, encode_frame(roster)
            send_to_all(self._hub.readers(), frame)


def _markup(online: set[UserId], idle: set[UserId], statuses: Mapping[UserId, str]) -> str:
    """Return the markup of the roster. It holds ids and emoji, and no text that a person typed."""
    active = " ".join(map(str, sorted(online - idle)[:MOST_LISTED]))
    resting = " ".join(map(str, sorted(idle)[:MOST_LISTED]))
    about = " ".join(f"{user_id} {emoji}" for user_id, emoji in statuses.items())
    return f'<chat-roster data-online="{active}" data-idle="{resting}" data-statuses="{about}"></chat-roster>'
