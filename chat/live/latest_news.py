"""When the header and the composer of a room last changed, so that a page that returns to it fetches them only then."""

import time

from chat.ids import RoomId, UserId
from chat.live.reader import Reader

MOST_KNOWN = 20_000  # rooms and people, some 200 bytes each


class LatestNews:
    """The moment of the latest change of each room, and of each member's own choices for their rooms."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._rooms: dict[RoomId, float] = {}
        self._people: dict[UserId, float] = {}
        self._known_since = time.monotonic()

    def note_room(self, room_id: RoomId) -> None:
        """Note that something around a room's messages has changed."""
        self._make_place()
        self._rooms[room_id] = time.monotonic()

    def note_person(self, user_id: UserId) -> None:
        """Note that a member has changed how they follow a room."""
        self._make_place()
        self._people[user_id] = time.monotonic()

    def may_miss(self, reader: Reader, since: float) -> bool:
        """Tell whether the page of a reader, as it was at a moment, may miss a change of its room."""
        assert reader.room_id is not None
        latest = self._rooms.get(reader.room_id, since), self._people.get(reader.user_id, since)
        return since < max(self._known_since, *latest)

    def _make_place(self) -> None:
        if len(self._rooms) + len(self._people) >= self._most:
            self._rooms.clear()
            self._people.clear()
            self._known_since = time.monotonic()
