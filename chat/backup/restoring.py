"""Restoring the whole chat from a backup.

A restore does more than load tables: it runs in one transaction under running servers, migrates an older version's
tables, and changes the epoch.
"""

import shutil
import sys
import tempfile
import zipfile
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import asyncpg
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat import audit
from chat.backup.copying import UNLIMITED, WAIT_FOR_STORE, driver_of
from chat.backup.file import DISK_ERRORS, STANDARD_STREAM, BackupError, BackupFile
from chat.backup.objects import Objects, forget_objects, remember_objects, restore_objects, settle_objects
from chat.backup.rows import safe_rows
from chat.database.engine import create_engine
from chat.database.migrate import move_to
from chat.database.schema import NEWEST, tables_of
from chat.errors import DatabaseUnavailable
from chat.files.store import Store
from chat.messages.workshop import Workshop
from chat.models import metadata, sessions
from chat.sqlstates import DEADLOCK, LOCKED

LOCK_SECONDS = 10
ATTEMPTS = 5
# A restore drops sessions made after the backup, but their signed tokens name them for some minutes more: no new
# session may get their ids. After a restore on a new machine even the highest of these ids is unknown.
SKIPPED = {"sessions": 1_000_000}


async def restore(database_url: str, file: Path, store: Store, *, replace: bool, any_size: bool = False) -> None:
    """Restore a backup in one transaction, under a new epoch. The chat may be running.

    "-" is standard input. Raises `DatabaseUnavailable`, and `BackupError` when the file is no backup, damaged, newer
    than this version, or unusually large when unpacked, or when the database has people and `replace` is not set.
    """
    if str(file) == STANDARD_STREAM:
        with tempfile.NamedTemporaryFile(prefix="backup-from-standard-input-") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            await restore(database_url, Path(copy.name), store, replace=replace, any_size=any_size)
        return
    engine = create_engine(database_url, command_timeout=UNLIMITED)
    try:
        with closing(BackupFile(file, any_size=any_size)) as backup, tempfile.TemporaryFile() as checked:
            async with engine.connect() as connection:
                await _refuse_newer_tables(connection)
                await _refuse_people(connection, replace=replace)
            await _check(backup, checked)
            objects = Objects(store)
            try:
                await restore_objects(backup, objects)
                with zipfile.ZipFile(checked) as rows:
                    await _restore(engine, backup, rows, objects, replace=replace)
            except Exception:
                await _forget_objects(engine, objects)
                raise
    finally:
        await engine.dispose()
    audit.record("backup_restored", file=file.name)


async def _forget_objects(engine: AsyncEngine, objects: Objects) -> None:
    """Let the chat that stays delete what a failed restore has put into the store."""
    with suppress(DatabaseUnavailable):
        async with engine.begin() as connection:
            if (await connection.run_sync(tables_of)).revision == NEWEST:
                await forget_objects(connection, objects)


async def _check(backup: BackupFile, checked: IO[bytes]) -> None:
    """Write the allowed rows of a backup to files. It takes a while, so it comes before any lock."""
    try:
        async with Workshop() as workshop:
            with zipfile.ZipFile(checked, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                async for table, lines in safe_rows(backup, workshop):
                    with archive.open(table, "w", force_zip64=True) as part:
                        async for line in lines:
                            part.write(line + b"\n")
    except ValueError as error:
        raise BackupError(f"{backup.name} is not a valid backup: {error}") from error
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise BackupError(f"there is no room for a copy in {tempfile.gettempdir()}: {error.strerror}") from error


async def _restore(
    engine: AsyncEngine, backup: BackupFile, rows: zipfile.ZipFile, objects: Objects, *, replace: bool
) -> None:
    try:
        for attempt in range(ATTEMPTS):
            try:
                async with engine.begin() as connection:
                    await _replace_everything(connection, backup, rows, objects, replace=replace)
                return
            except DatabaseUnavailable as error:
                if error.sqlstate == LOCKED:
                    raise BackupError("the chat is too busy: stop it, and try again") from error
                # Running requests lock the same tables in another order.
                if error.sqlstate != DEADLOCK or attempt == ATTEMPTS - 1:
                    raise
    except asyncpg.PostgresError as error:
        if error.sqlstate and error.sqlstate.startswith(("22", "23", "42")):
            raise BackupError(f"{backup.name} does not fit into the tables: {error}") from error
        raise


async def _replace_everything(
    connection: AsyncConnection, backup: BackupFile, rows: zipfile.ZipFile, objects: Objects, *, replace: bool
) -> None:
    await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    await connection.execute(text(WAIT_FOR_STORE))
    await _refuse_newer_tables(connection)
    await connection.run_sync(move_to, "head")
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    await connection.execute(text(f"LOCK TABLE {tables}"))
    await _refuse_people(connection, replace=replace)
    await connection.execute(text(_KEEP_SESSIONS))
    await remember_objects(connection)
    await connection.execute(text(f"TRUNCATE {tables}"))
    await connection.run_sync(move_to, backup.revision)
    await connection.run_sync(_check_columns, backup)
    await _copy_rows(connection, backup, rows)
    await connection.run_sync(move_to, "head")
    for check, complaint in _CHECKS.items():
        if (await connection.execute(text(check))).scalar_one():
            raise BackupError(f"{backup.name} is not a valid backup: {complaint}")
    await settle_objects(connection, objects)
    await _move_ids_forward(connection)
    await _restore_sessions(connection)
    await connection.execute(text("UPDATE installation SET epoch = gen_random_uuid()"))


async def _refuse_newer_tables(connection: AsyncConnection) -> None:
    present = (await connection.run_sync(tables_of)).revision
    if present is not None and present > NEWEST:
        raise BackupError(
            f"the tables are at revision {present}, which this version does not know: "
            "restore with the newer version of simplechat that migrated them"
        )


async def _refuse_people(connection: AsyncConnection, *, replace: bool) -> None:
    if not replace and await _has_people(connection):
        raise BackupError("there are people in this database already: use --replace to discard what is in it now")


async def _has_people(connection: AsyncConnection) -> bool:
    if (await connection.execute(text("SELECT to_regclass('users')"))).scalar_one() is None:
        return False
    return bool((await connection.execute(text("SELECT EXISTS (SELECT FROM users)"))).scalar_one())


def _check_columns(connection: Connection, backup: BackupFile) -> None:
    """Raise `BackupError` unless all columns of a backup are those of its revision."""
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    for name, contents in backup.tables.items():
        ours = {column["name"] for column in inspector.get_columns(name)} if name in present else set()
        if unknown := sorted(set(contents.columns) - ours):
            raise BackupError(f"{backup.name} is not a valid backup: {name} has no {unknown[0][:63]!r}")


async def _copy_rows(connection: AsyncConnection, backup: BackupFile, rows: zipfile.ZipFile) -> None:
    driver = await driver_of(connection)
    for name, contents in backup.tables.items():
        with rows.open(name) as lines:
            done = await driver.copy_to_table(name, source=lines, columns=contents.columns, timeout=UNLIMITED)
        if int(done.split()[-1]) != contents.rows:
            raise BackupError(f"{backup.name} is damaged: {name} has {done.split()[-1]} rows")


async def _move_ids_forward(connection: AsyncConnection) -> None:
    for table in metadata.sorted_tables:
        if "id" in table.columns and table.columns["id"].identity:
            await connection.execute(text(_NEXT_ID.format(table.name)), {"skipped": SKIPPED.get(table.name, 0)})


async def _restore_sessions(connection: AsyncConnection) -> None:
    """Keep the people of this chat signed in, by their current sessions.

    Sessions of the backup would sign in people who have signed out since, and in another chat's backup they have the
    ids that tokens of people here name. An empty chat has no such tokens, so there the backup's sessions stay.
    """
    if (await connection.execute(text("SELECT EXISTS (SELECT FROM kept_sessions)"))).scalar_one():
        columns = ", ".join(column.name for column in sessions.columns)
        await connection.execute(text("DELETE FROM sessions"))
        await connection.execute(text(_RESTORE_SESSIONS.format(columns)))


_KEEP_SESSIONS = """
    CREATE TEMPORARY TABLE kept_sessions ON COMMIT DROP AS
    SELECT sessions.*, users.created_at AS person_since FROM sessions JOIN users ON users.id = sessions.user_id
"""
_RESTORE_SESSIONS = """
    INSERT INTO sessions ({0}) OVERRIDING SYSTEM VALUE
    SELECT {0} FROM (
        SELECT kept_sessions.* FROM kept_sessions
        JOIN users ON users.id = kept_sessions.user_id AND users.created_at = kept_sessions.person_since
    ) AS kept
"""
# Rules that no constraint of the tables expresses.
_CHECKS = {
    # Otherwise the first visitor could set the chat up, and become its administrator.
    "SELECT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM installation)": "it has people, but no chat",
    # Otherwise other people could read a conversation of two.
    """
    SELECT EXISTS (
        SELECT FROM rooms WHERE kind = 'direct' AND direct_key <> sha256(convert_to(
            (SELECT string_agg(user_id::text, ',' ORDER BY user_id) FROM (
                SELECT room_id, user_id FROM memberships UNION SELECT room_id, user_id FROM departures
            ) AS people WHERE room_id = rooms.id), 'UTF8'
        ))
    )
    """: "the key of a direct conversation does not match its members",
}

# Sequences only move forward: an id that a person has seen must never name something else.
_NEXT_ID = """
    SELECT setval(sequence, greatest(nextval(sequence), (SELECT max(id) FROM {0})) + :skipped)
    FROM (SELECT pg_get_serial_sequence('{0}', 'id') AS sequence) AS it
"""
