"""Migrating the database's tables to a revision, with Alembic. `database/schema.py` only reads their revision."""

import logging
import time
from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from chat.database.migrating import CannotMigrate
from chat.database.schema import NEWEST, TURN_SECONDS, Tables, present_tables, tables_of
from chat.errors import DatabaseUnavailable
from chat.installed import COMMAND, ROOT
from chat.sqlstates import DEADLOCK, FEATURE_NOT_SUPPORTED, INSUFFICIENT_PRIVILEGE, LOCKED, UNDEFINED_FILE

_NO_EXTENSION = "the PostgreSQL server lacks an extension. Install its contrib package, then try again."
_REFUSALS = {
    INSUFFICIENT_PRIVILEGE: "the user of DATABASE_URL may not create the tables. Make it the owner of the database, or "
    "run `CREATE EXTENSION pg_trgm` in it as an administrator if only that is refused; then try again.",
    FEATURE_NOT_SUPPORTED: _NO_EXTENSION,
    UNDEFINED_FILE: _NO_EXTENSION,
}
_REFUSED_ROWS = ("22", "23")  # SQLSTATE: data exception, integrity constraint violation
PAUSES = (0.5, 1, 2, 4, 8)  # seconds before each further attempt when the tables are in use


def migrate(database_url: str, to: str | None = None, *, patience: float = TURN_SECONDS) -> None:
    """Migrate the database to a revision of the tables, up or down; without one, up to the newest.

    Raises `CannotMigrate` if the revision is unknown or its rows do not fit, the user lacks a right, a newer version
    has migrated the database, or another process goes on migrating it for longer than our patience.
    """
    present = present_tables(database_url)
    if to is not None and to not in revisions():
        raise CannotMigrate(f"there is no revision {to}: this version knows {revisions()[-1]} to {NEWEST}")
    if present.revision is not None and present.revision > NEWEST:
        _leave_newer(present, to)
        return
    alembic = _config()
    alembic.attributes.update({"database_url": database_url, "patience": patience})
    goes_down = to is not None and present.revision is not None and to < present.revision
    direction = command.downgrade if goes_down else command.upgrade
    try:
        _insist(lambda: direction(alembic, to or "head"))
    except DBAPIError as error:
        raise _refusal(error, present_tables(database_url), to or NEWEST) from error


def _leave_newer(present: Tables, to: str | None) -> None:
    """Leave tables alone that only a newer version can change; raises `CannotMigrate` unless that is all right."""
    if to is not None:
        raise CannotMigrate(
            f"the tables are at revision {present.revision}, which this version does not know: "
            f"go back with the newer version, `{COMMAND} migrate --to {to}`"
        )
    if not present.serve_us:
        raise CannotMigrate(f"{present.obstacle}: {present.advice}")
    print(  # noqa: T201
        f"The tables are at revision {present.revision}, and serve this version ({NEWEST}), too. Nothing to do."
    )


def _insist(move: Callable[[], None]) -> None:
    """Migrate, and try again while tables are in use; each migration waits a moment only, so that nothing queues."""
    for pause in (*PAUSES, None):
        try:
            return move()
        except DatabaseUnavailable as error:
            if error.sqlstate not in (LOCKED, DEADLOCK):
                raise
            if pause is None:
                raise CannotMigrate(
                    "a long transaction keeps a table in use that the migration changes, such as a backup: "
                    "try again when it is done"
                ) from error
            logging.getLogger("chat").warning("A table is in use; the next attempt to migrate is in %g s", pause)
            time.sleep(pause)
    return None


def _refusal(error: DBAPIError, present: Tables, to: str) -> Exception:
    """Return an error with advice for an error of the database; without advice, the error itself."""
    sqlstate = str(getattr(error.orig, "sqlstate", None) or "")
    told = str(error.orig).rpartition(">: ")[2].splitlines()[0]
    if sqlstate.startswith(_REFUSED_ROWS):
        return CannotMigrate(
            f"the rows there are do not fit revision {to} of the tables, which stay at {present.revision or 'none'}. "
            f"Change these rows, or stay. PostgreSQL says: {told}"
        )
    why = _REFUSALS.get(sqlstate)
    return error if why is None else CannotMigrate(f"{why} PostgreSQL says: {told}")


def move_to(connection: Connection, revision: str) -> None:
    """Migrate the tables to a revision, up or down, within the connection's transaction."""
    alembic = _config()
    alembic.attributes["connection"] = connection
    present = tables_of(connection).revision
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
