"""The list of one's own rooms and direct conversations."""

from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import HUES, Visitor
from chat.ids import Position, RoomId, UserId
from chat.models import memberships, rooms
from chat.rooms.room import Kind, direct_name, others_in

MOST_DIRECTS = 100


@dataclass(frozen=True, slots=True)
class RoomLink:
    """A line of the sidebar."""

    id: RoomId
    name: str
    kind: Kind
    is_unread: bool
    initials: str = ""
    hue: int = 0


@dataclass(frozen=True, slots=True)
class Sidebar:
    """Rooms by name, direct conversations by latest message."""

    rooms: list[RoomLink]
    directs: list[RoomLink]


async def sidebar_of(connection: AsyncConnection, visitor: Visitor) -> Sidebar:
    """What the visitor is in. A direct room that nobody has written in yet shows only for who opened it."""
    statement = (
        select(rooms.c.id, rooms.c.kind, rooms.c.name, rooms.c.message_count > memberships.c.read_position)
        .join(memberships, memberships.c.room_id == rooms.c.id)
        .where(memberships.c.user_id == visitor.id)
        .where(or_(rooms.c.kind != "direct", rooms.c.message_count > 0, memberships.c.role == "owner"))
        .order_by(func.lower(rooms.c.name), rooms.c.newest_at.desc().nulls_last(), rooms.c.id)
    )
    rows = (await connection.execute(statement)).all()
    named = [RoomLink(room_id, name, kind, unread) for room_id, kind, name, unread in rows if kind != "direct"]
    directs = [(room_id, unread) for room_id, kind, _, unread in rows if kind == "direct"][:MOST_DIRECTS]
    others = await others_in(connection, visitor.id, [room_id for room_id, _ in directs]) if directs else {}
    links = []
    for room_id, unread in directs:
        people = others[room_id]
        face = people[0] if len(people) == 1 else visitor
        initials = str(len(people)) if len(people) > 1 else face.initials
        hue = room_id % HUES if len(people) > 1 else face.hue
        links.append(RoomLink(room_id, direct_name(visitor, people), "direct", unread, initials, hue))
    return Sidebar(named, links)


async def mark_read(connection: AsyncConnection, user_id: UserId, room_id: RoomId, position: Position) -> None:
    """Move one's read position in a room forward."""
    await connection.execute(
        update(memberships)
        .where(memberships.c.room_id == room_id, memberships.c.user_id == user_id)
        .where(memberships.c.read_position < position)
        .values(read_position=position)
    )


async def mark_all_read(connection: AsyncConnection, user_id: UserId, room_id: RoomId) -> None:
    """Move one's read position in a room to its newest message."""
    await connection.execute(
        update(memberships)
        .where(memberships.c.room_id == room_id, memberships.c.user_id == user_id)
        .where(rooms.c.id == room_id, memberships.c.read_position < rooms.c.message_count)
        .values(read_position=rooms.c.message_count)
    )
