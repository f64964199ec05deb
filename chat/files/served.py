"""A file as it is served: to members of its message's room, and to its author before it is sent."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.errors import NotFound
from chat.ids import FileId
from chat.models import files, memberships


@dataclass(frozen=True, slots=True)
class Served:
    """An object in the store, with the name and the type of its file."""

    key: UUID
    name: str
    kind: str
    size: int


async def served_file(connection: AsyncConnection, visitor: Visitor, file_id: FileId) -> Served:
    """Return a file that the visitor may read; raises `NotFound`."""
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
    return Served(row.object, row.name, row.kind, row.bytes)
