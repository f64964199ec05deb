"""Seats: the right of a session to follow a room, checked when a page connects and every few seconds after."""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from sqlalchemy import ARRAY, BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.batches import Batches
from chat.database.direct import DirectStatement
from chat.database.questions import Question, Questions
from chat.ids import RoomId, UserId
from chat.live.source import Seat

_SEATED = DirectStatement(
    text("""
    SELECT user_id, room_id FROM unnest(:user_ids, :room_ids) AS seat (user_id, room_id)
    JOIN memberships USING (user_id, room_id)
""").bindparams(bindparam("user_ids", type_=ARRAY(BigInteger)), bindparam("room_ids", type_=ARRAY(BigInteger)))
)

# The same until another transaction that may have changed something ends. The start tells servers apart, as one that
# takes the place of another may come to count as far. A standby's snapshot leaves out the transactions in progress.
_STATE = text("""
    concat(pg_current_snapshot(), ' ', pg_postmaster_start_time(), CASE WHEN pg_is_in_recovery() THEN random() END)
""")
_STATE_NOW = Question(_STATE, text("now()"))
# The lost seats, and the time when the first session expires, by the database's clock: that of a process stands still
# while its machine sleeps. A seat without a room has room id 0 here, which no room has.
_EXPELLED = Question(
    text("""(
    SELECT row(
        array_agg(ARRAY[seat.session_id, CASE WHEN sessions.id IS NOT NULL THEN seat.room_id END])
            FILTER (WHERE sessions.id IS NULL OR (seat.room_id <> 0 AND memberships.user_id IS NULL)),
        min(sessions.expires_at)
    ) FROM unnest(:seat_sessions, :seat_rooms) AS seat (session_id, room_id)
    LEFT JOIN sessions ON sessions.id = seat.session_id
        AND sessions.revoked_at IS NULL AND sessions.expires_at > now()
    LEFT JOIN memberships ON memberships.room_id = seat.room_id AND memberships.user_id = sessions.user_id
)""").bindparams(bindparam("seat_sessions", type_=ARRAY(BigInteger)), bindparam("seat_rooms", type_=ARRAY(BigInteger))),
    _STATE,
)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class LostSeats:
    """Finds the seats that have lost their right, among those of the same pages again and again.

    While nothing changes in the database, and no session expires, it does not look at each of them: for a thousand that
    takes PostgreSQL a millisecond.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._kept: AbstractSet[Seat] = set()
        self._state = ""
        self._end_at = _LONG_AGO

    async def among(self, seats: AbstractSet[Seat]) -> set[Seat]:
        """Return the (session, room) pairs that have lost their right; (session, None) when the session has ended."""
        if seats <= self._kept:
            state, now = await state_of(self._questions)
            if state == self._state and now < self._end_at:
                return set()
        lost, end_at, state = await expelled_from(self._questions, seats)
        self._kept, self._state, self._end_at = set() if lost else seats, state, end_at
        return lost


async def state_of(questions: Questions) -> tuple[str, datetime]:
    """Return a text that changes whenever something in the database does, and the database's time."""
    state, now = await questions.ask(_STATE_NOW)
    return str(state), now


async def expelled_from(questions: Questions, seats: AbstractSet[Seat]) -> tuple[set[Seat], datetime, str]:
    """Return the lost seats, the time when the first session of the others expires, and the database's state."""
    sessions, rooms = [seat[0] for seat in seats], [seat[1] or 0 for seat in seats]
    (found, end_at), state = await questions.ask(_EXPELLED, seat_sessions=sessions, seat_rooms=rooms)
    return {(session_id, room_id) for session_id, room_id in found or ()}, end_at or _LONG_AGO, state


class Seats:
    """Looks up memberships in batches, because after a restart thousands of pages connect at once."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._batches = Batches(self._look_up, most=1000)

    async def has(self, user_id: UserId, room_id: RoomId) -> bool:
        """Tell whether a person is in a room."""
        return await self._batches.ask((user_id, room_id))

    async def _look_up(self, seats: list[tuple[UserId, RoomId]]) -> list[bool]:
        people, rooms = [seat[0] for seat in seats], [seat[1] for seat in seats]
        rows = await _SEATED.rows(self._database, user_ids=people, room_ids=rooms)
        taken = {(row.user_id, row.room_id) for row in rows}
        return [seat in taken for seat in seats]
