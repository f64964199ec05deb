"""Readiness: whether this process can serve pages now, and the reason if it cannot."""

import logging
from time import monotonic

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.database.engine import reading, time_limit
from chat.database.schema import STATE, Tables
from chat.errors import DatabaseUnavailable
from chat.live.departure import Departure
from chat.models import metadata
from chat.sqlstates import (
    DISK_FULL,
    INVALID_AUTHORIZATION,
    INVALID_PASSWORD,
    MISSING_DATABASE,
    TOO_MANY_CONNECTIONS,
)
from chat.supervision import Failures

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
# The database is queried at most once in this time, however often `/readyz` is requested.
KEPT_SECONDS = 1.0

_REASONS = {
    INVALID_PASSWORD: "the database refuses the password",
    INVALID_AUTHORIZATION: "the database refuses the user",
    MISSING_DATABASE: "the database does not exist",
    DISK_FULL: "the database's disk is full",
    TOO_MANY_CONNECTIONS: "the database has no connection left",
}

_COLUMNS = [(table.name, column.name) for table in metadata.sorted_tables for column in table.columns]

# Reads some hundred rows of PostgreSQL's own tables, and none of the chat's.
_LOOK = text("""
    SELECT
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
        to_regclass('alembic_version') IS NOT NULL AS has_revision,
        (
            SELECT expected.table_name || '.' || expected.column_name
            FROM unnest(CAST(:tables AS text[]), CAST(:columns AS text[])) AS expected (table_name, column_name)
            LEFT JOIN pg_attribute ON attrelid = to_regclass(expected.table_name)
                AND attname = expected.column_name AND NOT attisdropped
            WHERE attname IS NULL
            LIMIT 1
        ) AS missing
""")


class Readiness:
    """The answer of `/readyz`. It is cached for a second, and each change is logged."""

    def __init__(self, database: AsyncEngine, failures: Failures, departure: Departure) -> None:
        self._database = database
        self._failures = failures
        self._departure = departure
        self._queried_at = float("-inf")
        self._answer = ""
        self._logged = ""

    async def obstacle(self) -> str:
        """Return the reason why pages do not work now, in one line; "" when they work."""
        if self._departure.under_way:
            return "this process is shutting down"
        # The database comes first, because missing tables make tasks fail.
        answer, down = await self._database_obstacle(), ", ".join(self._failures)
        if not answer and down:
            answer = f"a background task is down: {down}"
        if answer != self._logged:
            self._logged = answer
            if answer:
                logger.warning("This process is not ready: %s", answer)
            else:
                logger.info("This process is ready again")
        return answer

    async def _database_obstacle(self) -> str:
        # Set before the query, so that concurrent requests do not repeat it.
        if monotonic() - self._queried_at >= KEPT_SECONDS:
            self._queried_at = monotonic()
            self._answer = await self._query()
        return self._answer

    async def _query(self) -> str:
        tables, columns = zip(*_COLUMNS, strict=True)
        try:
            async with time_limit(ANSWER_SECONDS), reading(self._database) as connection:
                found = (await connection.execute(_LOOK, {"tables": list(tables), "columns": list(columns)})).one()
                state = (await connection.execute(STATE)).one_or_none() if found.has_revision else None
        except DatabaseUnavailable as error:
            return _REASONS.get(error.sqlstate, "the database does not answer")
        if found.is_read_only:
            return "the database is read-only"
        if obstacle := (Tables(*state) if state else Tables()).obstacle:
            return obstacle
        if found.missing:
            return f"the tables lack {found.missing}"
        return ""
