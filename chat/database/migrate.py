"""Migrating the database's tables to a revision, with Alembic. `database/schema.py` only reads their revision."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from chat.database.schema import NEWEST, newer_than_this, present_revision, revision_of
from chat.errors import CannotRun
from chat.installed import ROOT
from chat.sqlstates import FEATURE_NOT_SUPPORTED, INSUFFICIENT_PRIVILEGE, UNDEFINED_FILE

_NO_EXTENSION = "the PostgreSQL server lacks an extension. Install its contrib package, then try again."
_REFUSALS = {
    INSUFFICIENT_PRIVILEGE: "the user of DATABASE_URL may not create the tables. Make it the owner of the database, or "
    "run `CREATE EXTENSION pg_trgm` in it as an administrator if only that is refused; then try again.",
    FEATURE_NOT_SUPPORTED: _NO_EXTENSION,
    UNDEFINED_FILE: _NO_EXTENSION,
}


class CannotMigrate(CannotRun):
    """The tables cannot be created; the text is one line that says what to do."""


def migrate(database_url: str) -> None:
    """Migrate the database to the newest revision of the tables.

    Raises `CannotMigrate` if its user lacks the right, and for a database that a newer version has migrated.
    """
    present = present_revision(database_url)
    if present is not None and present > NEWEST:
        raise CannotMigrate(newer_than_this(present))
    alembic = _config()
    alembic.attributes["database_url"] = database_url
    try:
        command.upgrade(alembic, "head")
    except DBAPIError as error:
        why = _REFUSALS.get(getattr(error.orig, "sqlstate", ""))
        if why is None:
            raise
        told = str(error.orig).rpartition(">: ")[2].splitlines()[0]
        raise CannotMigrate(f"{why} PostgreSQL says: {told}") from error


def move_to(connection: Connection, revision: str) -> None:
    """Migrate the tables to a revision, up or down, within the connection's transaction."""
    alembic = _config()
    alembic.attributes["connection"] = connection
    present = revision_of(connection)
    if present is None or revision == "head" or revision > present:
        # Revisions are numbered, 0001, 0002, ….
        command.upgrade(alembic, revision)
    elif revision < present:
        command.downgrade(alembic, revision)


def revisions() -> list[str]:
    """Return all revisions that this version knows, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def _config() -> Config:
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    return alembic
