"""The list of who is online, kept up to date on the pages of every room with readers here."""

import logging

import anyio

from chat.ids import RoomId
from chat.live.feed import Feed, FeedUnavailable
from chat.live.hub import Hub
from chat.live.presence import Presence
from chat.live.wire import Reader, encode_frame

logger = logging.getLogger(__name__)

SHORTEST_INTERVAL = 1.0  # seconds: a crowd that arrives at once costs one list a second and room
READERS_A_SECOND = 2000  # and a crowd that is larger than this waits longer for the next one


class OnlineLists:
    """Sends a room's list anew when it has changed. `run` must be running."""

    def __init__(self, hub: Hub, presence: Presence, feed: Feed) -> None:
        self._hub = hub
        self._presence = presence
        self._feed = feed
        self._sent: dict[RoomId, str] = {}
        self._changed = anyio.Event()

    def changed(self) -> None:
        """Say that presence, or who is in a room, may have changed."""
        self._changed.set()

    def greet(self, reader: Reader) -> None:
        """Give a reader who has just gone live the list as the others see it."""
        html = self._sent.get(reader.room_id) if reader.room_id else None
        if html:
            reader.send(encode_frame(html))
        else:
            self.changed()

    async def run(self) -> None:
        """Send changed lists until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            room_ids = self._hub.room_ids()
            try:
                lists = await self._feed.online_lists(room_ids, self._presence.online()) if room_ids else {}
            except FeedUnavailable as error:
                logger.warning("Could not tell who is online: %s", error)
                self._changed.set()
                lists = self._sent
            for room_id, html in lists.items():
                if self._sent.get(room_id) != html:
                    self._hub.send_to_room(room_id, html)
            self._sent = lists
            readers = sum(1 for _ in self._hub.readers())
            await anyio.sleep(max(SHORTEST_INTERVAL, readers / READERS_A_SECOND))
