"""Checks that this version can use the database's tables: those of its own revision, or newer ones that serve it."""

import asyncio
import logging
from dataclasses import dataclass

from sqlalchemy import Connection, text

from chat.database.engine import create_engine
from chat.errors import CannotRun, DatabaseUnavailable
from chat.installed import COMMAND, ROOT
from chat.sqlstates import INVALID_AUTHORIZATION, INVALID_PASSWORD

# Revisions are numbered, 0001, 0002, …. Importing Alembic takes longer than the rest of a start.
NEWEST = max(path.name[:4] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))

# How long a process waits for another that migrates the same database.
TURN_SECONDS = 60.0

# `chat/database/migrating.py` adds the column `serves_from`; to_jsonb() also reads a table without it.
STATE = text("SELECT version_num, to_jsonb(alembic_version) ->> 'serves_from' FROM alembic_version")


class DatabaseRefuses(CannotRun):
    """The database refuses the connection for good; the text is one line that says why."""


class SchemaError(CannotRun):
    """This version cannot use the database's tables; the text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The revision of a database's tables, None before the first, and the oldest code they serve."""

    revision: str | None = None
    serves_from: str | None = None

    @property
    def are_older(self) -> bool:
        """Whether this version needs a newer revision."""
        return self.revision is None or self.revision < NEWEST

    @property
    def serve_us(self) -> bool:
        """Whether this version can use them: they are its own, or newer and still serve it."""
        if self.revision == NEWEST:
            return True
        return not self.are_older and self.serves_from is not None and self.serves_from <= NEWEST

    @property
    def obstacle(self) -> str:
        """The reason why this version cannot use them, in a few words; "" if it can."""
        if self.are_older:
            return f"the tables are at revision {self.revision or 'none'}, this version needs {NEWEST}"
        if not self.serve_us:
            oldest = f"{self.serves_from or self.revision} or a later one"
            return f"the tables are at revision {self.revision}, which needs code of revision {oldest}, not {NEWEST}"
        return ""

    @property
    def advice(self) -> str:
        """The advice for an administrator whose chat meets the obstacle."""
        if self.are_older:
            return f"run `{COMMAND} migrate` (or `alembic upgrade head`) first"
        return (
            "start the newer version of simplechat again, "
            f"or let the newer version go back first: `{COMMAND} migrate --to {NEWEST}`"
        )


def check(database_url: str) -> None:
    """Raise `SchemaError` unless this version can use the database's tables; `DatabaseUnavailable` if it is away.

    Raises `DatabaseRefuses` for a wrong user or password, which is final. A missing database may be created later.
    """
    tables = present_tables(database_url)
    if not tables.serve_us:
        raise SchemaError(f"{tables.obstacle}: {tables.advice}")
    if tables.revision != NEWEST:
        logging.getLogger("chat").info(
            "The tables are at revision %s; they serve this version (%s), too", tables.revision, NEWEST
        )


def present_tables(database_url: str) -> Tables:
    """Return the state of a database's tables; raises `DatabaseUnavailable` if it is away."""
    try:
        return asyncio.run(_ask(database_url))
    except DatabaseUnavailable as error:
        if error.sqlstate not in (INVALID_PASSWORD, INVALID_AUTHORIZATION):
            raise
        raise DatabaseRefuses(f"the database refuses the user or password of DATABASE_URL: {error}") from error


def tables_of(connection: Connection) -> Tables:
    """Return the state of the tables of an open connection's database."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return Tables()
    row = connection.execute(STATE).one_or_none()
    return Tables(*row) if row is not None else Tables()


async def _ask(database_url: str) -> Tables:
    engine = create_engine(database_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(tables_of)
    finally:
        await engine.dispose()
