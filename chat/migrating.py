"""Bringing the database's tables to a revision, with Alembic; `schema.py` only asks which one they are at."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from chat.schema import revision_of
from chat.templating import ROOT


def migrate(database_url: str) -> None:
    """Bring the database to the newest revision of the tables."""
    alembic = _config()
    alembic.attributes["database_url"] = database_url
    command.upgrade(alembic, "head")


def move_to(connection: Connection, revision: str) -> None:
    """Bring the tables to a revision, up or down, within the connection's transaction."""
    alembic = _config()
    alembic.attributes["connection"] = connection
    present = revision_of(connection)
    if present is None or revision == "head" or revision > present:
        # Revisions are numbered, 0001, 0002, ….
        command.upgrade(alembic, revision)
    elif revision < present:
        command.downgrade(alembic, revision)


def revisions() -> list[str]:
    """Every revision this version knows, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def _config() -> Config:
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    return alembic
