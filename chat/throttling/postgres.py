"""Counters in PostgreSQL, for several processes without Redis.

Each count is one statement and keeps nothing in the session, so it works through a pooler. The table is unlogged: it
costs no write-ahead log, and a crash of the server loses only counters.
"""

import logging
import time

import anyio
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.database.engine import reading
from chat.derived_tables import throttles
from chat.errors import DatabaseUnavailable
from chat.throttling.shared import SharedStorage

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
DELETED_AT_ONCE = 5_000

# By the database's clock, which is the same for every process.
_INCREASE = text("""
    INSERT INTO throttles AS kept (key, count, ends_at)
    VALUES (:key, :amount, statement_timestamp() + make_interval(secs => :expiry))
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN kept.ends_at > statement_timestamp() THEN kept.count ELSE 0 END + excluded.count,
        ends_at = CASE WHEN kept.ends_at > statement_timestamp() THEN kept.ends_at ELSE excluded.ends_at END
    RETURNING count
""")
_seconds_left = func.extract("epoch", throttles.c.ends_at - func.statement_timestamp())
_counts = throttles.c.ends_at > func.statement_timestamp()


class PostgresCounters(SharedStorage):
    """Counters that every process of the chat shares through its database."""

    STORAGE_SCHEME = None

    def __init__(self, database: AsyncEngine) -> None:
        super().__init__()
        self._database = database

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return (DatabaseUnavailable,)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter, which restarts if it has expired, and return it."""
        values = {"key": key, "amount": amount, "expiry": float(expiry)}
        async with reading(self._database) as connection:
            count: int = (await connection.execute(_INCREASE, values)).scalar_one()
        return count

    async def get(self, key: str) -> int:
        statement = select(throttles.c.count).where(throttles.c.key == key, _counts)
        async with reading(self._database) as connection:
            return (await connection.execute(statement)).scalar() or 0

    async def get_expiry(self, key: str) -> float:
        statement = select(_seconds_left).where(throttles.c.key == key, _counts)
        async with reading(self._database) as connection:
            left = (await connection.execute(statement)).scalar()
        return time.time() + float(left or 0)

    async def clear(self, key: str) -> None:
        async with reading(self._database) as connection:
            await connection.execute(delete(throttles).where(throttles.c.key == key))

    async def check(self) -> bool:
        async with reading(self._database) as connection:
            return bool((await connection.execute(text("SELECT true"))).scalar_one())

    async def reset(self) -> int | None:
        async with reading(self._database) as connection:
            return (await connection.execute(delete(throttles))).rowcount

    async def run(self) -> None:
        """Delete expired counters, once a minute, until cancelled."""
        while True:
            await anyio.sleep(SWEEP_SECONDS)
            try:
                while await self.delete_ended() == DELETED_AT_ONCE:
                    pass
            except DatabaseUnavailable as error:
                logger.warning("Could not delete expired counters: %s", error)

    async def delete_ended(self) -> int:
        """Delete some of the expired counters; returns how many."""
        ended = select(throttles.c.key).where(~_counts).limit(DELETED_AT_ONCE).with_for_update(skip_locked=True)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(throttles).where(throttles.c.key.in_(ended)))).rowcount
