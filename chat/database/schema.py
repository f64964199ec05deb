"""Checks that the database's tables are those of this version."""

import asyncio

from sqlalchemy import Connection, text

from chat.database.engine import create_engine
from chat.errors import CannotRun, DatabaseUnavailable
from chat.installed import COMMAND, ROOT
from chat.sqlstates import INVALID_AUTHORIZATION, INVALID_PASSWORD

# Revisions are numbered, 0001, 0002, …. Importing Alembic takes longer than the rest of a start.
NEWEST = max(path.name[:4] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))


class DatabaseRefuses(CannotRun):
    """The database refuses the connection for good; the text is one line that says why."""


class SchemaError(CannotRun):
    """The database's tables are of another version; the text is one line that says what to do."""


def check(database_url: str) -> None:
    """Raise `SchemaError` unless the database is at the newest revision; `DatabaseUnavailable` if it is away.

    Raises `DatabaseRefuses` for a wrong user or password, which is final. A missing database may be created later.
    """
    present = present_revision(database_url)
    if present is not None and present > NEWEST:
        raise SchemaError(newer_than_this(present))
    if present != NEWEST:
        raise SchemaError(
            f"the database is at revision {present or 'none'} of the tables, this version needs {NEWEST}: "
            f"run `{COMMAND} migrate` (or `alembic upgrade head`) first"
        )


def newer_than_this(present: str) -> str:
    """Return the line for a database that a newer version has migrated."""
    return (
        f"the database is at revision {present} of the tables, this version knows them up to {NEWEST}: "
        "a newer version of simplechat has migrated it, run that one"
    )


def present_revision(database_url: str) -> str | None:
    """Return a database's revision, None before the first; raises `DatabaseUnavailable` if it is away."""
    try:
        return asyncio.run(_ask(database_url))
    except DatabaseUnavailable as error:
        if error.sqlstate not in (INVALID_PASSWORD, INVALID_AUTHORIZATION):
            raise
        raise DatabaseRefuses(f"the database refuses the user or password of DATABASE_URL: {error}") from error


def revision_of(connection: Connection) -> str | None:
    """Return the revision of an open connection's database, None before the first."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


async def _ask(database_url: str) -> str | None:
    engine = create_engine(database_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(revision_of)
    finally:
        await engine.dispose()
