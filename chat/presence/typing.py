"""Who is writing: told to a room at most every other second for each person."""

import time

from chat.ids import RoomId, UserId

PAUSE_SECONDS = 2.0
MOST_REMEMBERED = 10_000


class Throttle:
    """Says when somebody's writing may be told again, whatever their pages send."""

    def __init__(self) -> None:
        self._told: dict[tuple[UserId, RoomId], float] = {}

    def allows(self, user_id: UserId, room_id: RoomId) -> bool:
        """Whether to tell now; then not again for a while."""
        now = time.monotonic()
        if now - self._told.get((user_id, room_id), -PAUSE_SECONDS) < PAUSE_SECONDS:
            return False
        if len(self._told) >= MOST_REMEMBERED:
            self._told = {who: at for who, at in self._told.items() if now - at < PAUSE_SECONDS}
        self._told[user_id, room_id] = now
        return True

    def begin_anew(self, user_id: UserId, room_id: RoomId) -> None:
        """Somebody has sent what they wrote; what they write next is told at once."""
        self._told.pop((user_id, room_id), None)
