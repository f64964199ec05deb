"""How far search is behind the messages."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A room's revisions have no gaps, so their difference is the number of changes.
_LAG = text("""
    WITH behind AS (
        SELECT rooms.id, rooms.revision AS head, coalesce(search_progress.revision, 0) AS reached
        FROM rooms LEFT JOIN search_progress ON search_progress.room_id = rooms.id
        WHERE rooms.revision > coalesce(search_progress.revision, 0)
    )
    SELECT coalesce(sum(head - reached), 0)::bigint AS changes,
        coalesce(extract(epoch FROM now() - min(oldest.created_at)), 0)::bigint AS seconds,
        (SELECT count(*) FROM unsearchable) AS set_aside
    FROM behind LEFT JOIN LATERAL (
        SELECT created_at FROM messages
        WHERE room_id = behind.id AND revision > reached AND posted_revision > reached
        ORDER BY revision LIMIT 1
    ) AS oldest ON true
""")


@dataclass(frozen=True, slots=True)
class Lag:
    """The messages that cannot be found yet.

    `changes` counts the changes to messages that are not indexed yet, `seconds` is the age of the oldest message that
    is not indexed at all, and `set_aside` counts messages that could not be indexed.
    """

    changes: int
    seconds: int
    set_aside: int


async def lag_of(connection: AsyncConnection) -> Lag:
    """Return how far search is behind now."""
    row = (await connection.execute(_LAG)).one()
    return Lag(row.changes, max(0, row.seconds), row.set_aside)
