"""The roster: the people online, idle, and with a status, on every page; and a room's list of members online."""

import logging
from collections.abc import Mapping

import anyio

from chat.ids import RoomId, UserId
from chat.live.frames import encode_frame
from chat.live.hub import Hub
from chat.live.presence import Presence
from chat.live.reader import Reader
from chat.live.source import Source, SourceUnavailable
from chat.reminder import Reminder

logger = logging.getLogger(__name__)

SHORTEST_INTERVAL = 1.0  # seconds; a crowd that arrives at once costs one list a second and room
READERS_A_SECOND = 2000  # with more readers, lists come less often
MOST_LISTED = 1000  # people; a page shows some dozens of avatars
STATUS_SECONDS = 30.0  # a status can end without an event


class Roster:
    """Sends the roster again when it has changed. `run` must be running."""

    def __init__(self, hub: Hub, presence: Presence, source: Source) -> None:
        self._hub = hub
        self._presence = presence
        self._source = source
        self._roster = ""
        self._sent: dict[RoomId, str] = {}
        self._changed = anyio.Event()
        self._reminder = Reminder()

    def changed(self) -> None:
        """Note that presence, a room's members or a status may have changed."""
        self._changed.set()

    def greet(self, reader: Reader) -> None:
        """Send the current roster to a reader that has just gone live."""
        if self._roster:
            reader.send(encode_frame(self._roster))
        else:
            self.changed()
        self.greet_in_room(reader)

    def greet_in_room(self, reader: Reader) -> None:
        """Send the list of a room's members online to a reader that has come to the room."""
        if reader.room_id is None:
            return
        html = self._sent.get(reader.room_id)
        if html is None:
            self.changed()
        else:
            reader.send(encode_frame(html))

    async def run(self) -> None:
        """Send the roster whenever it has changed, until cancelled."""
        while True:
            with anyio.move_on_after(STATUS_SECONDS):
                await self._changed.wait()
            self._changed = anyio.Event()
            readers = list(self._hub.readers())
            if not readers:
                self._roster, self._sent = "", {}
                continue
            room_ids = self._hub.room_ids()
            try:
                lists = await self._source.online_lists(room_ids, self._presence.online())
                statuses = await self._source.statuses()
            except SourceUnavailable as error:
                if self._reminder.is_due():
                    logger.warning("Could not fetch the people online: %s", error)
                self._changed.set()
            else:
                self._send(lists, _markup(self._presence.online(), self._presence.idle(), statuses))
            await anyio.sleep(max(SHORTEST_INTERVAL, len(readers) / READERS_A_SECOND))

    def _send(self, lists: dict[RoomId, str], roster: str) -> None:
        if roster != self._roster:
            frame = encode_frame(roster)
            for reader in self._hub.readers():
                reader.send(frame)
        for room_id, html in lists.items():
            if self._sent.get(room_id) != html:
                self._hub.send_to_room(room_id, html)
        self._roster, self._sent = roster, lists


def _markup(online: set[UserId], idle: set[UserId], statuses: Mapping[UserId, str]) -> str:
    """Return the markup of the roster. It holds ids and emoji, and no text that a person typed."""
    active = " ".join(map(str, sorted(online - idle)[:MOST_LISTED]))
    resting = " ".join(map(str, sorted(idle)[:MOST_LISTED]))
    about = " ".join(f"{user_id} {emoji}" for user_id, emoji in statuses.items())
    return f'<chat-roster data-online="{active}" data-idle="{resting}" data-statuses="{about}"></chat-roster>'
