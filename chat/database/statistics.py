"""Statistics of the tables that grow with every message, gathered early in a chat's life.

PostgreSQL keeps a statement's plan until it gathers statistics again, which it does once a minute at most. Plans for a
small table read all of it. Twenty people who post into a new chat made each post cost up to a hundred times as much.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.database.direct import DirectStatement

# Plans for so many messages use indexes.
MANY = 500
_STATE = DirectStatement(
    text("""
    SELECT reltuples >= :many AS tells_of_many, pg_stat_get_mod_since_analyze(oid) >= 2 * :many AS has_grown
    FROM pg_class WHERE oid = 'messages'::regclass
""")
)
# PostgreSQL may be doing the same at this moment.
_GATHER = text("ANALYZE (SKIP_LOCKED) messages, searchable")


async def gather_statistics(database: AsyncEngine) -> bool:
    """Gather statistics if there are none of many messages yet; return whether there are now."""
    (state,) = await _STATE.rows(database, many=MANY)
    if state.has_grown and not state.tells_of_many:
        async with database.begin() as connection:
            await connection.execute(_GATHER)
        return True
    return bool(state.tells_of_many)
