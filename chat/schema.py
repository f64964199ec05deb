"""The database's tables and this version's: are they the same?"""

import asyncio

from sqlalchemy import Connection, text

from chat.database import create_engine
from chat.errors import CannotRun
from chat.templating import ROOT

# Revisions are numbered, 0001, 0002, …. To import Alembic takes longer than everything else a start does.
NEWEST = max(path.name[:4] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))


class SchemaError(CannotRun):
    """The database has not this version's tables; the text is one line that says what to do."""


def check(database_url: str) -> None:
    """Raise `SchemaError` unless the database is at the newest revision; `DatabaseUnavailable` when it is away."""
    present = present_revision(database_url)
    if present != NEWEST:
        raise SchemaError(
            f"the database is at revision {present or 'none'} of the tables, this version needs {NEWEST}: "
            "run `alembic upgrade head` (or `python -m chat migrate`) first"
        )


def present_revision(database_url: str) -> str | None:
    """The revision a database is at, None before the first; raises `DatabaseUnavailable` when it is away."""
    return asyncio.run(_ask(database_url))


def revision_of(connection: Connection) -> str | None:
    """The same for an open connection."""
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
