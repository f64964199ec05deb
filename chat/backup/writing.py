"""Writing the whole chat into one file.

The file is a zip: one member a table, as PostgreSQL's own COPY writes it, and a manifest. It is not in pg_dump's
format, because pg_dump refuses a server newer than itself.
"""

import errno
import json
import os
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import asyncpg
from sqlalchemy import text

from chat import audit
from chat.backup.copying import UNLIMITED, WAIT_FOR_STORE, driver_of
from chat.backup.file import DISK_ERRORS, FORMAT, MANIFEST, STANDARD_STREAM, TABLES, BackupError
from chat.backup.objects import write_objects
from chat.database.engine import create_engine
from chat.database.schema import NEWEST, tables_of
from chat.files.store import Store
from chat.installed import COMMAND


async def write(database_url: str, file: Path, store: Store | None) -> None:
    """Write a snapshot of the whole chat into `file`, which is replaced only when the backup is complete.

    "-" is standard output. Without a store, the files of messages are left out. Raises `BackupError` when the file
    cannot be written, and `DatabaseUnavailable`.
    """
    if str(file) == STANDARD_STREAM:
        await _write_to_standard_output(database_url, store)
        return
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        output = _private_file(unfinished)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    try:
        with output:
            await _write_tables(database_url, output, store)
            output.flush()
            os.fsync(output.fileno())
        unfinished.replace(file)
        audit.record("backup_made", file=file.name)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _private_file(file: Path) -> IO[bytes]:
    """Create a file that only this account may read, as a backup holds password hashes."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


async def _write_to_standard_output(database_url: str, store: Store | None) -> None:
    if sys.stdout.isatty():
        raise BackupError(f"a backup is not for the screen: write `{COMMAND} backup - > file`")
    try:
        with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as output:
            await _write_tables(database_url, output, store)
    except OSError as error:
        if error.errno not in (errno.EPIPE, *DISK_ERRORS):
            raise
        raise BackupError(f"the backup is not complete, standard output failed: {error.strerror}") from error
    audit.record("backup_made", file="standard output")


async def _write_tables(database_url: str, output: IO[bytes], store: Store | None) -> None:
    engine = create_engine(database_url, command_timeout=UNLIMITED)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await connection.execute(text(WAIT_FOR_STORE))
            # Of newer tables that serve this version it copies its own columns.
            revision = min((await connection.run_sync(tables_of)).revision or NEWEST, NEWEST)
            with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                manifest = {
                    "format": FORMAT,
                    "revision": revision,
                    "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                    "tables": await _copy_tables(await driver_of(connection), archive),
                }
                if store is not None:
                    await write_objects(connection, store, archive)
                archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
    finally:
        await engine.dispose()


async def _copy_tables(driver: asyncpg.Connection, archive: zipfile.ZipFile) -> dict[str, dict[str, object]]:
    """Copy all tables into a backup; return their entries in the manifest."""
    tables: dict[str, dict[str, object]] = {}
    for table in TABLES.values():
        columns = [column.name for column in table.columns if column.computed is None]
        with archive.open(table.name, "w", force_zip64=True) as member:
            done = await driver.copy_from_table(table.name, output=member, columns=columns, timeout=UNLIMITED)
        tables[table.name] = {"columns": columns, "rows": int(done.split()[-1])}
    return tables
