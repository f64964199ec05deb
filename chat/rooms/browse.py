"""The list of rooms that a person can see."""

from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import face_path
from chat.database.engine import contains
from chat.ids import RoomId, UserId
from chat.models import memberships, rooms
from chat.rooms.room import Kind, member_count

PAGE = 200


@dataclass(frozen=True, slots=True)
class RoomSummary:
    """A line of the list of rooms."""

    id: RoomId
    name: str
    kind: Kind
    member_count: int
    is_member: bool
    topic: str
    description: str
    face_path: str


async def find_rooms(
    connection: AsyncConnection, user_id: UserId, query: str, *, archived: bool = False
) -> list[RoomSummary]:
    """Return the first 200 rooms, by name, that are open or that the person is in, and whose name contains `query`.

    `archived` lists the archived rooms instead of the others.
    """
    mine = and_(memberships.c.room_id == rooms.c.id, memberships.c.user_id == user_id)
    statement = (
        select(rooms, memberships.c.role, member_count())
        .outerjoin(memberships, mine)
        .where(rooms.c.kind != "direct", or_(rooms.c.kind == "open", memberships.c.role.is_not(None)))
        .where(contains(rooms.c.bare_name, query), rooms.c.archived_at.is_not(None) == archived)
        .order_by(func.lower(rooms.c.name), rooms.c.id)
        .limit(PAGE)
    )
    return [
        RoomSummary(
            row.id,
            row.name,
            row.kind,
            row.member_count,
            row.role is not None,
            row.topic,
            row.description,
            face_path(f"/rooms/{row.id}", row.small_picture),
        )
        for row in await connection.execute(statement)
    ]
