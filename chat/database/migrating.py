"""Tools for migrations: taking turns, short locks, and indexes and backfills beside a running chat.

`docs/upgrading.md` says how a migration is written. A migration that builds an index or backfills leaves its
transaction, so it does nothing else: if it is interrupted, the next run repeats it from its beginning.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from alembic import op
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text

from chat.database.poolers import connect
from chat.errors import CannotRun

TURN = 7463920  # the key of the advisory lock that a migrating process holds
# While a statement waits for a table, all later requests wait behind it.
TABLE_LOCK_SECONDS = 2
BATCH = 1000  # rows of a backfill's transaction
# Later migrations serve the code before them, unless they name the oldest code they serve in `serves_from`.
LAST_WITHOUT_RULES = "0009"


class CannotMigrate(CannotRun):
    """The tables cannot be migrated; the text is one line that says what to do."""


@asynccontextmanager
async def turn(database_url: str, seconds: float) -> AsyncIterator[None]:
    """Hold the right to migrate the database; raises `CannotMigrate` if another process holds it for too long.

    The lock belongs to a transaction, because a session's lock would stay behind in a pooler. The transaction's last
    statement is a simple query: a prepared one would keep its snapshot, and `CREATE INDEX CONCURRENTLY` waits for that.
    """
    connection = await connect(database_url, command_timeout=None)
    try:
        async with connection.transaction():
            try:
                await connection.execute(_TAKE_TURN.format(wait=max(1, round(seconds * 1000)), key=TURN))
            except asyncpg.LockNotAvailableError as error:
                raise CannotMigrate(
                    f"another process has been migrating this database for more than {seconds:g} s: "
                    "try again when it is done, or wait longer with --wait"
                ) from error
            yield
    finally:
        await connection.close()


_TAKE_TURN = """
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL lock_timeout = {wait};
    SELECT pg_advisory_xact_lock({key})
"""


def limit_locks(connection: Connection) -> None:
    """Limit how long a transaction that begins waits for a table."""
    connection.exec_driver_sql(f"SELECT set_config('lock_timeout', '{TABLE_LOCK_SECONDS}s', true)")


def record_oldest_served(connection: Connection, scripts: ScriptDirectory, revision: str) -> None:
    """Record which code the tables serve from now on, in the transaction of the migration to this revision."""
    if not connection.execute(text(_HAS_COLUMN)).scalar_one():
        connection.execute(text("ALTER TABLE alembic_version ADD COLUMN serves_from text"))
    connection.execute(
        text("UPDATE alembic_version SET serves_from = :oldest"), {"oldest": oldest_served(scripts, revision)}
    )


def oldest_served(scripts: ScriptDirectory, revision: str) -> str:
    """Return the oldest revision of code that the tables of a revision serve."""
    return max(_serves_from(script) for script in scripts.iterate_revisions(revision, "base"))


def _serves_from(script: Script) -> str:
    """Return the oldest revision of code that still works after a migration, "" if it breaks none."""
    if script.revision <= LAST_WITHOUT_RULES:
        return script.revision
    return str(getattr(script.module, "serves_from", ""))


_HAS_COLUMN = """
    SELECT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'alembic_version'::regclass AND attname = 'serves_from' AND NOT attisdropped
    )
"""


def build_index(name: str, on: str, *, unique: bool = False) -> None:
    """Build an index beside running writers, as in `build_index("pins_idx", "messages (room_id) WHERE …")`."""
    with _beside_others() as concurrently:
        # An interrupted run leaves an invalid index.
        op.execute(f"DROP INDEX {concurrently} IF EXISTS {name}")
        op.execute(f"CREATE {'UNIQUE' if unique else ''} INDEX {concurrently} {name} ON {on}")


def drop_index(name: str) -> None:
    """Drop an index beside running writers."""
    with _beside_others() as concurrently:
        op.execute(f"DROP INDEX {concurrently} IF EXISTS {name}")


def backfill(table: str, statement: str, *, key: str = "id") -> None:
    """Change the rows of a table in batches, each in a transaction of its own.

    The statement says `WHERE id BETWEEN :first AND :last`. Rows that old processes add meanwhile are not in it.
    """
    with _beside_others():
        bounds = text(f"SELECT min({key}), max({key}) FROM {table}")  # noqa: S608  a migration's own words
        lowest, highest = op.get_bind().execute(bounds).one()
        for first in range(lowest, highest + 1, BATCH) if lowest is not None else ():
            op.get_bind().execute(text(statement), {"first": first, "last": min(first + BATCH - 1, highest)})


@contextmanager
def _beside_others() -> Iterator[str]:
    """Leave the migration's transaction, and yield the word for building an index beside others.

    A restore stays in its transaction and yields "": no other process sees its tables before it commits.
    """
    context = op.get_context()
    if context.config is not None and context.config.attributes.get("connection") is not None:
        yield ""
    else:
        with context.autocommit_block():
            yield "CONCURRENTLY"
