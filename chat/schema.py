"""The database's tables and this version's: bringing one to the other."""

import asyncio

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from chat.database import create_engine
from chat.templating import ROOT


class SchemaError(Exception):
    """The database has not this version's tables; the text is one line that says what to do."""


def migrate(database_url: str) -> None:
    """Bring the database to the newest revision of the tables."""
    alembic = config()
    alembic.attributes["database_url"] = database_url
    command.upgrade(alembic, "head")


def check(database_url: str) -> None:
    """Raise `SchemaError` unless the database is at the newest revision; one of `DATABASE_ERRORS` when it is away."""
    present, newest = asyncio.run(_revision(database_url)), ScriptDirectory.from_config(config()).get_current_head()
    if present != newest:
        raise SchemaError(
            f"the database is at revision {present or 'none'} of the tables, this version needs {newest}: "
            "run `alembic upgrade head` (or `python -m chat migrate`) first"
        )


def revisions() -> list[str]:
    """Every revision this version knows."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()]


def revision_of(connection: Connection) -> str | None:
    """The revision a database is at; None before the first."""
    return MigrationContext.configure(connection).get_current_revision()


def config() -> Config:
    """What Alembic needs to know."""
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    return alembic


async def _revision(database_url: str) -> str | None:
    engine = create_engine(database_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(revision_of)
    finally:
        await engine.dispose()
