"""The files of messages and the pictures of people and rooms in a backup: one part of it.

It has each object's key, and its content in chunks. After a restore the store and the database agree: a file or a
picture without its object is dropped, and so is an object that no row holds.
"""

import asyncio
import struct
import zipfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import IO
from uuid import UUID

from sqlalchemy import Table, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.backup.file import OBJECTS, BackupError, BackupFile
from chat.files.store import Store, StoreUnavailable
from chat.link_tables import link_previews
from chat.models import files, installation, rooms, users

CHUNK = struct.Struct("!I")
LARGEST_CHUNK = 2**20
KEY_BYTES = 16
BROKEN_OFF = 0xFFFFFFFF  # instead of a length: the object was deleted while it was copied
OWNERS = (users, rooms, installation)

_FILES = "SELECT key FROM files, unnest(ARRAY[object, thumbnail, sharp_thumbnail]) AS key WHERE key IS NOT NULL"
_PICTURES = "".join(
    f" UNION SELECT key FROM {table.name}, unnest(ARRAY[small_picture, large_picture]) AS key WHERE key IS NOT NULL"  # noqa: S608  of constants
    for table in OWNERS
)
_PREVIEWS = "UNION SELECT picture FROM link_previews WHERE picture IS NOT NULL"


async def write_objects(connection: AsyncConnection, store: Store, archive: zipfile.ZipFile) -> None:
    """Copy the files of all messages, and all pictures, into a backup."""
    sent = f"{_FILES} AND message_id IS NOT NULL {_PICTURES} {_PREVIEWS}"
    keys = (await connection.execute(text(sent))).scalars().all()
    part = zipfile.ZipInfo(OBJECTS)
    part.compress_type = zipfile.ZIP_STORED  # pictures and films are compressed already
    with _explained(), archive.open(part, "w", force_zip64=True) as output:
        for key in keys:
            output.write(key.bytes)
            output.write(CHUNK.pack(await _copy(store, key, output)))


async def _copy(store: Store, key: UUID, output: IO[bytes]) -> int:
    """Write the chunks of an object, and return the mark that ends them."""
    try:
        async with aclosing(store.read(key)) as chunks:
            async for chunk in chunks:
                output.write(CHUNK.pack(len(chunk)) + chunk)
    except StoreUnavailable:
        if await store.has(key):
            raise
        return BROKEN_OFF
    return 0


@dataclass(frozen=True, slots=True)
class Objects:
    """The store, and the keys of the objects of a backup: those in the store, and those that were not there before."""

    store: Store
    present: set[UUID] = field(default_factory=set)
    new: set[UUID] = field(default_factory=set)


async def restore_objects(backup: BackupFile, objects: Objects) -> None:
    """Put the objects of a backup into the store. Those that are there already stay."""
    with _explained(), backup.objects() as part:
        while key := part.read(KEY_BYTES):
            chunks = _Chunks(part)
            found = UUID(bytes=key)
            if not await objects.store.has(found):
                try:
                    await objects.store.put(found, chunks.content())
                except _BrokenOffError:
                    continue
                objects.new.add(found)
            chunks.skip()
            if not chunks.is_broken:
                objects.present.add(found)


async def forget_objects(connection: AsyncConnection, objects: Objects) -> None:
    """Let what a failed restore has put be deleted in a day, unless another restore needs it by then."""
    await connection.execute(text(_FORGET_NEW), {"keys": list(objects.new)})


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise BackupError(f"the store of files does not work: {error}") from error


class _BrokenOffError(Exception):
    """An object was deleted while it was copied into the backup."""


class _Chunks:
    """The chunks of one object in a backup, which may be forged."""

    def __init__(self, part: IO[bytes]) -> None:
        self._part = part
        self._chunks = self._read()
        self.is_broken = False

    def _read(self) -> Iterator[bytes]:
        while length := CHUNK.unpack(_exactly(self._part, CHUNK.size))[0]:
            if length == BROKEN_OFF:
                self.is_broken = True
                return
            if length > LARGEST_CHUNK:
                raise ValueError("a part of a file is too long")
            yield _exactly(self._part, length)

    async def content(self) -> AsyncGenerator[bytes, None]:
        for chunk in self._chunks:
            yield chunk
            await asyncio.sleep(0)
        if self.is_broken:
            raise _BrokenOffError

    def skip(self) -> None:
        for _ in self._chunks:
            pass


def _exactly(part: IO[bytes], length: int) -> bytes:
    data = part.read(length)
    if len(data) < length:
        raise ValueError("a file in it is broken off")
    return data


async def remember_objects(connection: AsyncConnection) -> None:
    """Keep the keys of all objects of the chat that a restore replaces."""
    others = "UNION SELECT key FROM files, unnest(pieces) AS key UNION SELECT key FROM stray_objects"
    keys = f"{_FILES} {_PICTURES} {_PREVIEWS} {others}"
    await connection.execute(text(f"CREATE TEMPORARY TABLE former_objects ON COMMIT DROP AS {keys}"))


async def settle_objects(connection: AsyncConnection, objects: Objects) -> None:
    """Drop restored files and pictures without an object, and let objects without a row be deleted."""
    with _explained():
        await _settle_files(connection, objects)
        for table in OWNERS:
            await _settle_pictures(connection, objects, table)
        await _settle_previews(connection, objects)
    await connection.execute(text("TRUNCATE stray_objects"))
    await connection.execute(text(_FORGET))
    await connection.execute(text(_COUNT))


async def _settle_files(connection: AsyncConnection, objects: Objects) -> None:
    await connection.execute(delete(files).where(files.c.message_id.is_(None)))
    columns = (files.c.object, files.c.thumbnail, files.c.sharp_thumbnail)
    for row in (await connection.execute(select(files.c.id, *columns))).all():
        needed = {key for key in row[1:] if key is not None} - set(objects.present)
        if not all([await objects.store.has(key) for key in needed]):
            await connection.execute(delete(files).where(files.c.id == row.id))


async def _settle_pictures(connection: AsyncConnection, objects: Objects, table: Table) -> None:
    drawn = select(table.c.id, table.c.small_picture, table.c.large_picture).where(table.c.small_picture.is_not(None))
    for row in (await connection.execute(drawn)).all():
        needed = {row.small_picture, row.large_picture} - set(objects.present)
        if not all([await objects.store.has(key) for key in needed]):
            none = {"small_picture": None, "large_picture": None}
            await connection.execute(update(table).where(table.c.id == row.id).values(none))


async def _settle_previews(connection: AsyncConnection, objects: Objects) -> None:
    drawn = select(link_previews.c.id, link_previews.c.picture).where(link_previews.c.picture.is_not(None))
    for row in (await connection.execute(drawn)).all():
        if row.picture not in objects.present and not await objects.store.has(row.picture):
            none = dict.fromkeys(("picture", "picture_kind", "width", "height"))
            await connection.execute(update(link_previews).where(link_previews.c.id == row.id).values(none))


_KEPT = f"{_FILES} {_PICTURES} {_PREVIEWS}"
_FORGET = f"INSERT INTO stray_objects (key) SELECT key FROM former_objects WHERE key NOT IN ({_KEPT})"  # noqa: S608  of constants
_FORGET_NEW = f"""
    INSERT INTO stray_objects (key, due_at)
    SELECT key, now() + interval '1 day' FROM unnest(CAST(:keys AS uuid[])) AS key WHERE key NOT IN ({_KEPT})
    ON CONFLICT DO NOTHING
"""  # noqa: S608  of constants
_COUNT = """
    UPDATE messages SET file_count = number FROM (
        SELECT messages.id, count(files.id) AS number
        FROM messages LEFT JOIN files ON files.message_id = messages.id
        GROUP BY messages.id
    ) AS found
    WHERE messages.id = found.id AND file_count <> number
"""
