"""The driver's COPY, which SQLAlchemy does not know, and the time that the statements of a backup may take."""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

UNLIMITED = 7 * 24 * 3600.0  # seconds for one statement: a table may be large
# PostgreSQL would end a transaction that is idle for five seconds (database/poolers.py), as while files are copied.
WAIT_FOR_STORE = "SET LOCAL idle_in_transaction_session_timeout = 0"


async def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """Return the driver's own connection."""
    raw = await connection.get_raw_connection()
    return raw.driver_connection
