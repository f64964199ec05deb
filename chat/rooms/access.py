"""Whether those who sit in a room may still sit there."""

from collections.abc import Collection

from sqlalchemy import ARRAY, BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.ids import RoomId, SessionId

# A seat without a room has room id 0 here, which no room has.
_EXPELLED = text("""
    SELECT seat.session_id, seat.room_id, sessions.id IS NULL AS has_ended
    FROM unnest(:session_ids, :room_ids) AS seat (session_id, room_id)
    LEFT JOIN sessions ON sessions.id = seat.session_id
        AND sessions.revoked_at IS NULL AND sessions.expires_at > now()
    LEFT JOIN memberships ON memberships.room_id = seat.room_id AND memberships.user_id = sessions.user_id
    WHERE sessions.id IS NULL OR (seat.room_id <> 0 AND memberships.user_id IS NULL)
""").bindparams(bindparam("session_ids", type_=ARRAY(BigInteger)), bindparam("room_ids", type_=ARRAY(BigInteger)))


async def expelled_from(
    connection: AsyncConnection, seats: Collection[tuple[SessionId, RoomId | None]]
) -> set[tuple[SessionId, RoomId | None]]:
    """Which (session, room) pairs have lost their right; (session, None) when the session itself has ended."""
    values = {"session_ids": [seat[0] for seat in seats], "room_ids": [seat[1] or 0 for seat in seats]}
    rows = await connection.execute(_EXPELLED, values)
    return {(row.session_id, None if row.has_ended else row.room_id) for row in rows}
