"""Newer versions of the chat, which tests make from the present one by adding migrations, and perhaps columns."""

import shutil
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from chat.database.migrating import oldest_served
from chat.database.schema import NEWEST
from tests.support.server import ROOT

# The oldest revision of code that our own tables serve.
OLDEST = oldest_served(ScriptDirectory(str(ROOT / "migrations")), NEWEST)

# Expands the tables. Old code posts without the column.
SHOUT = """
def upgrade() -> None:
    op.add_column("messages", sa.Column("shout", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("messages", "shout")
"""
# Its output depends on the rows, which shows that it ran over them.
FILL_SHOUT = """
def upgrade() -> None:
    backfill("messages", "UPDATE messages SET shout = upper(body) WHERE id BETWEEN :first AND :last")
    build_index("messages_shout_idx", "messages (room_id) WHERE shout <> ''")


def downgrade() -> None:
    drop_index("messages_shout_idx")
"""
# Contracts the tables: only code that has seen revision(1) still works.
LOSE_TOPICS = f"""
serves_from = "{int(NEWEST) + 1:04}"


def upgrade() -> None:
    op.drop_column("rooms", "topic")


def downgrade() -> None:
    op.add_column("rooms", sa.Column("topic", sa.Text, nullable=False, server_default=""))
"""
# Values that are written into its column do not fit the way back.
FREE_TOPICS = """
def upgrade() -> None:
    op.alter_column("rooms", "topic", nullable=True)


def downgrade() -> None:
    op.alter_column("rooms", "topic", nullable=False)
"""
_HEAD = """
import sqlalchemy as sa
from alembic import op
from chat.database.migrating import backfill, build_index, drop_index

revision, down_revision = "{}", "{}"
"""
_SHOUT_COLUMN = """
messages.append_column(Column("shout", Text, nullable=False, server_default=""))
"""


def revision(number: int) -> str:
    """Return the revision of a newer version's first, second, … migration; 0 is ours."""
    return f"{int(NEWEST) + number:04}"


def newer_version(folder: Path, *migrations: str) -> Path:
    """Make a newer version in a folder. With the migration `SHOUT`, its code needs the column."""
    shutil.copytree(ROOT / "chat", folder / "chat", ignore=shutil.ignore_patterns("__pycache__"))
    # Only the code and the migrations differ.
    for part in ("templates", "static"):
        (folder / part).symlink_to(ROOT / part)
    add_migrations(folder / "migrations", *migrations)
    if SHOUT in migrations:
        with (folder / "chat" / "models.py").open("a") as models:
            models.write(_SHOUT_COLUMN)
    return folder


def configuration(database_url: str, folder: Path = ROOT / "migrations") -> Config:
    """Alembic's configuration for the migrations in a folder."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["database_url"] = database_url
    return config


def add_migrations(folder: Path, *migrations: str) -> Path:
    """Copy our migrations into a folder and add others."""
    shutil.copytree(ROOT / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for number, body in enumerate(migrations, 1):
        head = _HEAD.format(revision(number), revision(number - 1))
        (folder / "versions" / f"{revision(number)}_newer.py").write_text(head + body)
    return folder
