"""Lists of files: those of a room, newest first, and the bytes of rooms and people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Join, Row, Text, case, func, literal, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.files.attachment import Attachment
from chat.files.names import shown_size
from chat.ids import FileId, MessageId, RoomId
from chat.models import files, messages, rooms, users

PAGE = 60
MOST_LISTED = 10
Sort = Literal["picture", "media", "other"]

_IS_PICTURE = files.c.width.is_not(None)
_IS_MEDIA = or_(files.c.kind.startswith("audio/"), files.c.kind.startswith("video/"))
_SORTS = {"picture": _IS_PICTURE, "media": _IS_MEDIA, "other": not_(or_(_IS_PICTURE, _IS_MEDIA))}


@dataclass(frozen=True, slots=True)
class RoomFile:
    """A file of a room, and the message that it was sent with."""

    file: Attachment
    message_id: MessageId
    author: str
    sent_at: datetime

    @property
    def month(self) -> str:
        """Its month, such as 2026-11."""
        return f"{self.sent_at:%Y-%m}"


@dataclass(frozen=True, slots=True)
class RoomFiles:
    """Some files of a room, newest first. The next page continues at `further`, None at the end."""

    files: Sequence[RoomFile]
    further: FileId | None


@dataclass(frozen=True, slots=True)
class Stored:
    """The number and bytes of the files of a room or person."""

    name: str
    number: int
    bytes: int

    @property
    def size(self) -> str:
        """Its bytes, as people read them."""
        return shown_size(self.bytes)


async def files_in(connection: AsyncConnection, room_id: RoomId, sort: Sort | None, before: int | None) -> RoomFiles:
    """Return the newest files of a room, of one sort or of any, that were begun before the file `before`."""
    statement = (
        select(files, messages.c.created_at.label("sent_at"), users.c.name.label("author"))
        .join(messages, messages.c.id == files.c.message_id)
        .join(users, users.c.id == messages.c.author_id)
        .where(files.c.room_id == room_id, files.c.message_id.is_not(None))
        .order_by(files.c.id.desc())
        .limit(PAGE + 1)
    )
    if sort is not None:
        statement = statement.where(_SORTS[sort])
    if before is not None:
        statement = statement.where(files.c.id < before)
    rows = (await connection.execute(statement)).all()
    found = [_room_file(row) for row in rows[:PAGE]]
    return RoomFiles(found, found[-1].file.id if len(rows) > PAGE else None)


def _room_file(row: Row[Any]) -> RoomFile:
    file = Attachment(
        id=row.id,
        name=row.name,
        bytes=row.bytes,
        kind=row.kind,
        width=row.width,
        height=row.height,
        colour=row.colour,
        alt=row.alt,
        is_animated=row.is_animated,
        has_thumbnail=row.thumbnail is not None,
    )
    return RoomFile(file, row.message_id, row.author, row.sent_at)


async def largest_rooms(connection: AsyncConnection) -> list[Stored]:
    """Return the rooms whose files take the most bytes; all direct conversations count as one."""
    is_direct = rooms.c.kind == "direct"
    owner = case((is_direct, 0), else_=rooms.c.id)
    name = case((is_direct, literal("Direct conversations", Text)), else_=rooms.c.name)
    return await _largest(connection, owner, name, files.join(rooms, rooms.c.id == files.c.room_id))


async def largest_people(connection: AsyncConnection) -> list[Stored]:
    """Return the people whose files take the most bytes."""
    return await _largest(connection, users.c.id, users.c.name, files.join(users, users.c.id == files.c.author_id))


async def _largest(
    connection: AsyncConnection, owner: ColumnElement[int], name: ColumnElement[str], rows: Join
) -> list[Stored]:
    size = func.sum(func.coalesce(files.c.bytes, files.c.received))
    # Several closed rooms may have the same name.
    grouped = select(name, func.count(), size).select_from(rows).group_by(owner, name).order_by(size.desc(), name)
    return [Stored(*row) for row in await connection.execute(grouped.limit(MOST_LISTED))]
