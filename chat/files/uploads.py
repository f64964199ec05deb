"""Uploads: rows of `files` that belong to no message yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.database.engine import is_one_of
from chat.derived_tables import stray_objects
from chat.errors import Forbidden, InvalidInput, NotFound
from chat.files.names import shown_name, shown_size
from chat.ids import FileId, RoomId
from chat.models import files, users
from chat.rooms.room import may_post, room_of_member
from chat.settings import FileLimits

STORAGE_LOCK = 7463923  # the key of the advisory lock of a transaction that adds up the space


@dataclass(frozen=True, slots=True)
class Announced:
    """A file as its client announces it. With the same `client_id` it is the same file."""

    client_id: UUID
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload, or the file of a message that it has become."""

    id: FileId
    name: str
    size: int
    received: int
    pieces: tuple[UUID, ...]
    is_finished: bool


def _upload_from(row: Row[Any]) -> Upload:
    return Upload(
        id=row.id,
        name=row.name,
        size=row.size,
        received=row.received,
        pieces=tuple(row.pieces),
        is_finished=row.finished_at is not None,
    )


async def begin_upload(
    connection: AsyncConnection, author: Visitor, room_id: RoomId, announced: Announced, limits: FileLimits
) -> Upload:
    """Begin an upload, or return the one that this person began with the same `client_id`.

    Raises `InvalidInput` for `files` at a limit, `NotFound` outside of the person's rooms, and `Forbidden` where they
    may not post.
    """
    if not may_post(author, await room_of_member(connection, author, room_id)):
        raise Forbidden("You cannot write in this room.")
    name, size = shown_name(announced.name), announced.size
    if size > limits.most_bytes:
        raise too_large(name, limits)
    earlier = (files.c.author_id == author.id) & (files.c.client_id == announced.client_id)
    found = (await connection.execute(select(files).where(earlier))).one_or_none()
    if found is None:
        await _check_room_for(connection, author, size, limits)
        mine = {"author_id": author.id, "room_id": room_id, "client_id": announced.client_id}
        statement = insert(files).values(**mine, name=name, size=size).on_conflict_do_nothing().returning(files)
        found = (await connection.execute(statement)).one_or_none()
        if found is None:
            found = (await connection.execute(select(files).where(earlier))).one()
    if (found.room_id, found.size) != (room_id, size):
        raise InvalidInput(files="Another file was sent with the same id.")
    return _upload_from(found)


def too_large(name: str, limits: FileLimits) -> InvalidInput:
    """Return the error for a file that is larger than the chat takes."""
    return InvalidInput(files=f"“{shown_name(name)}” is too large. A file may have {shown_size(limits.most_bytes)}.")


async def _check_room_for(connection: AsyncConnection, author: Visitor, size: int, limits: FileLimits) -> None:
    """Raise `InvalidInput` when the person has too many uploads, or all files would take too much space."""
    # The lock makes uploads that one person begins at the same moment count each other.
    await connection.execute(select(users.c.id).where(users.c.id == author.id).with_for_update(key_share=True))
    waiting = (files.c.author_id == author.id) & files.c.message_id.is_(None)
    number = (await connection.execute(select(func.count()).where(waiting))).scalar_one()
    if number >= limits.most_uploads:
        raise InvalidInput(files=f"You have {number} files that were not sent. Send or remove some of them first.")
    if limits.most_stored is not None:
        # Otherwise uploads that several people begin at the same moment would pass the limit together.
        await connection.execute(select(func.pg_advisory_xact_lock(STORAGE_LOCK)))
        stored = (await connection.execute(select(func.coalesce(func.sum(files.c.size), 0)))).scalar_one()
        if stored + size > limits.most_stored:
            raise InvalidInput(files="There is no space left for files in this chat. Tell an administrator.")


async def upload_of(connection: AsyncConnection, author: Visitor, upload_id: FileId) -> Upload:
    """Return a person's own upload, also when its message has been posted; raises `NotFound`."""
    mine = (files.c.id == upload_id) & (files.c.author_id == author.id)
    row = (await connection.execute(select(files).where(mine))).one_or_none()
    if row is None:
        raise NotFound
    return _upload_from(row)


async def uploads_of(
    connection: AsyncConnection, author: Visitor, room_id: RoomId, upload_ids: Sequence[FileId]
) -> list[Upload]:
    """Return those of a person's uploads to a room, in the order of the ids."""
    mine = (files.c.author_id == author.id) & (files.c.room_id == room_id)
    rows = await connection.execute(select(files).where(mine, is_one_of(files.c.id, upload_ids)))
    found = {row.id: _upload_from(row) for row in rows}
    return [found[each] for each in upload_ids if each in found]


async def discard_upload(connection: AsyncConnection, author: Visitor, upload_id: FileId) -> None:
    """Remove a person's upload that belongs to no message; raises `NotFound` for others."""
    waiting = (files.c.id == upload_id) & (files.c.author_id == author.id) & files.c.message_id.is_(None)
    if (await connection.execute(delete(files).where(waiting))).rowcount == 0:
        raise NotFound


async def add_piece(connection: AsyncConnection, upload: Upload, key: UUID, size: int) -> Upload | None:
    """Add a piece that the store holds; None if the upload has grown or gone in the meantime."""
    unchanged = (files.c.id == upload.id) & (files.c.received == upload.received) & files.c.finished_at.is_(None)
    values = {"received": files.c.received + size, "pieces": func.array_append(files.c.pieces, key)}
    row = (await connection.execute(update(files).where(unchanged).values(values).returning(files))).one_or_none()
    if row is None:
        return None
    await keep_objects(connection, [key])
    return _upload_from(row)


async def finish_upload(
    connection: AsyncConnection, upload: Upload, objects: Sequence[UUID], values: dict[str, object]
) -> bool:
    """Make an upload complete, with these objects in the store; return False if it has been or is gone."""
    unfinished = (files.c.id == upload.id) & files.c.finished_at.is_(None)
    finished = update(files).where(unfinished).values(pieces=[], finished_at=func.now(), **values)
    if (await connection.execute(finished)).rowcount == 0:
        return False
    await keep_objects(connection, objects)
    await give_up_objects(connection, [key for key in upload.pieces if key not in objects])
    return True


async def promise_object(connection: AsyncConnection, key: UUID) -> None:
    """Note an object before it is written. It is deleted after a day, unless a row holds it by then."""
    due = func.now() + func.make_interval(0, 0, 0, 1)
    await connection.execute(insert(stray_objects).values(key=key, due_at=due))


async def keep_objects(connection: AsyncConnection, keys: Sequence[UUID]) -> None:
    """Note that rows hold these objects."""
    await connection.execute(delete(stray_objects).where(_among(keys)))


async def give_up_objects(connection: AsyncConnection, keys: Sequence[UUID]) -> None:
    """Let these objects be deleted from the store soon."""
    if keys:
        statement = insert(stray_objects).values([{"key": key} for key in keys])
        again = statement.on_conflict_do_update(index_elements=["key"], set_={"due_at": func.now()})
        await connection.execute(again)


def _among(keys: Sequence[UUID]) -> ColumnElement[bool]:
    return stray_objects.c.key.in_(list(keys))
