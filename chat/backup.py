"""Backups: everything in one file, and from that file back.

The file is a zip: one member a table, as PostgreSQL's own COPY writes it, and a manifest. Not pg_dump's format, because
pg_dump refuses a server newer than itself, and a restore has more to do than to load tables: it must come in one
transaction under running servers, bring an older version's tables up to date, and change the epoch.
"""

import errno
import json
import os
import re
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database import create_engine
from chat.errors import CannotRun
from chat.migrating import move_to, revisions
from chat.models import metadata
from chat.schema import revision_of

FORMAT = 1
MANIFEST = "manifest.json"
LOCK_SECONDS = 10
ATTEMPTS = 5
UNLIMITED = 7 * 24 * 3600.0  # seconds for one table
DEADLOCK, LOCKED = "40P01", "55P03"
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EISDIR)
# Sessions made after the backup are gone, but their signed tokens still name them for some minutes: nobody else must
# get their numbers meanwhile. After a restore on a new machine even the highest of them is unknown.
SKIPPED = {"sessions": 1_000_000}

_NAME = re.compile(r"[a-z_]{1,63}")


class BackupError(CannotRun):
    """A backup cannot be made or restored; the text is one line that says why. Nothing has changed."""


async def write(database_url: str, file: Path) -> None:
    """Write everything, as it is at one moment, into `file`, which is replaced only when the backup is complete.

    Raises `BackupError` when the file cannot be written, and `chat.database.DATABASE_ERRORS`.
    """
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        # It holds password hashes.
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as output:
            await _write_tables(database_url, output)
            output.flush()
            os.fsync(output.fileno())
        unfinished.replace(file)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


async def restore(database_url: str, file: Path, *, replace: bool) -> None:
    """Put everything back as it was in a backup, in one transaction, under a new epoch. The chat may be running.

    Raises `BackupError` when the file is none of ours, or damaged, or newer than this version, or when there are people
    in the database and `replace` is not set; and `chat.database.DATABASE_ERRORS`.
    """
    archive, manifest = _opened(file)
    with archive:
        await _restore(database_url, archive, manifest, replace=replace)


def _opened(file: Path) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    """A backup that is whole, and its manifest."""
    try:
        archive = zipfile.ZipFile(file)
        manifest = _manifest(archive)
        damaged = archive.testzip()
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}") from error
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError) as error:
        raise BackupError(f"{file} is not a complete backup: {error}") from error
    if damaged:
        raise BackupError(f"{file} is damaged: {damaged}")
    return archive, manifest


async def _write_tables(database_url: str, output: IO[bytes]) -> None:
    engine = create_engine(database_url)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            revision = await connection.run_sync(revision_of)
            driver = await _driver(connection)
            tables = {}
            with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                # What the chat makes of the rest by itself need not be kept.
                for table in metadata.sorted_tables:
                    if table.info.get("derived"):
                        continue
                    columns = [column.name for column in table.columns]
                    with archive.open(table.name, "w", force_zip64=True) as member:
                        done = await driver.copy_from_table(
                            table.name, output=member, columns=columns, timeout=UNLIMITED
                        )
                    tables[table.name] = {"columns": columns, "rows": int(done.split()[-1])}
                manifest = {
                    "format": FORMAT,
                    "revision": revision,
                    "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                    "tables": tables,
                }
                archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
    finally:
        await engine.dispose()


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    manifest = json.loads(archive.read(MANIFEST))
    if manifest["format"] != FORMAT or manifest["revision"] not in revisions():
        raise BackupError(f"{archive.filename} was made by a newer version of simplechat: update this one first")
    names = [*manifest["tables"], *(name for table in manifest["tables"].values() for name in table["columns"])]
    if not all(_NAME.fullmatch(name) for name in names):
        raise ValueError("a table has an impossible name")
    return cast("dict[str, Any]", manifest)


async def _restore(database_url: str, archive: zipfile.ZipFile, manifest: dict[str, Any], *, replace: bool) -> None:
    engine = create_engine(database_url)
    try:
        for attempt in range(ATTEMPTS):
            try:
                async with engine.begin() as connection:
                    await _replace_everything(connection, archive, manifest, replace=replace)
                return
            except DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None)
                if state == LOCKED:
                    raise BackupError("the chat is too busy: stop it, and try again") from error
                # Requests that run at the same time lock the same tables, in another order.
                if state != DEADLOCK or attempt == ATTEMPTS - 1:
                    raise
    except asyncpg.PostgresError as error:
        if error.sqlstate and error.sqlstate.startswith(("22", "23", "42")):
            raise BackupError(f"{archive.filename} does not fit into the tables: {error}") from error
        raise
    finally:
        await engine.dispose()


async def _replace_everything(
    connection: AsyncConnection, archive: zipfile.ZipFile, manifest: dict[str, Any], *, replace: bool
) -> None:
    await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    await connection.run_sync(move_to, "head")
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    await connection.execute(text(f"LOCK TABLE {tables}"))
    if not replace and (await connection.execute(text("SELECT EXISTS (SELECT FROM users)"))).scalar_one():
        raise BackupError("there are people in this database already: say --replace to lose what is in it now")
    await connection.execute(text(f"TRUNCATE {tables}"))
    await connection.run_sync(move_to, manifest["revision"])
    driver = await _driver(connection)
    for name, table in manifest["tables"].items():
        with archive.open(name) as member:
            done = await driver.copy_to_table(name, source=member, columns=table["columns"], timeout=UNLIMITED)
        if int(done.split()[-1]) != table["rows"]:
            raise BackupError(f"{archive.filename} is damaged: {name} has {done.split()[-1]} rows")
    await connection.run_sync(move_to, "head")
    for table in metadata.sorted_tables:
        if "id" in table.columns and table.columns["id"].identity:
            await connection.execute(text(_NEXT_ID.format(table.name)), {"skipped": SKIPPED.get(table.name, 0)})
    await connection.execute(text("UPDATE installation SET epoch = gen_random_uuid()"))


# Behind what is there, and never back: a number that somebody has seen should not come to mean something else.
_NEXT_ID = """
    SELECT setval(sequence, greatest(nextval(sequence), (SELECT max(id) FROM {0})) + :skipped)
    FROM (SELECT pg_get_serial_sequence('{0}', 'id') AS sequence) AS it
"""


async def _driver(connection: AsyncConnection) -> asyncpg.Connection:
    raw = await connection.get_raw_connection()
    return raw.driver_connection
