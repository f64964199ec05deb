"""A file as it is served: to members of its message's room, and to its author before it is sent."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.errors import NotFound
from chat.ids import FileId
from chat.models import files, memberships

Version = Literal["object", "thumbnail", "sharp_thumbnail"]


@dataclass(frozen=True, slots=True)
class Served:
    """An object in the store, with the name and the type of its file."""

    key: UUID
    name: str
    kind: str
    size: int | None  # a thumbnail is always sent whole


async def served_file(
    connection: AsyncConnection, visitor: Visitor, file_id: FileId, version: Version = "object"
) -> Served:
    """Return a file that the visitor may read, or one of its thumbnails; raises `NotFound`."""
    mine = and_(memberships.c.room_id == files.c.room_id, memberships.c.user_id == visitor.id)
    statement = (
        select(files)
        .join(memberships, mine)
        .where(
            files.c.id == file_id,
            files.c.finished_at.is_not(None),
            or_(files.c.message_id.is_not(None), files.c.author_id == visitor.id),
        )
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    if version == "object":
        return Served(row.object, row.name, row.kind, row.bytes)
    key = row.thumbnail if version == "thumbnail" else row.sharp_thumbnail
    if key is None:
        raise NotFound
    return Served(key, row.name, "image/webp", None)
