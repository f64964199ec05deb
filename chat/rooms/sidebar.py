"""The list of one's own rooms and direct conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import HUES, Person, Visitor
from chat.ids import Position, RoomId, UserId
from chat.models import memberships, rooms
from chat.rooms.room import Kind, Room, direct_name, visible_room

MOST_LISTED = 50

# The rooms in which something happened last, whatever number one is in, and the one that is shown. The people of direct
# rooms come along: their names are the rooms' names.
_MINE = text("""
    WITH mine AS (
        SELECT rooms.*, memberships.role, memberships.read_position,
            row_number() OVER (PARTITION BY kind = 'direct' ORDER BY newest_at DESC NULLS LAST, rooms.id) AS place
        FROM memberships JOIN rooms ON rooms.id = memberships.room_id
        WHERE memberships.user_id = :user_id
          AND (kind <> 'direct' OR message_count > 0 OR role = 'owner' OR rooms.id = :shown)
    )
    SELECT mine.id, kind, name, revision, message_count, role, read_position, others.ids, others.names,
        CASE WHEN mine.id = :shown
            THEN (SELECT count(*) FROM memberships AS everyone WHERE everyone.room_id = mine.id) END AS member_count
    FROM mine LEFT JOIN LATERAL (
        SELECT array_agg(users.id ORDER BY lower(users.name), users.id) AS ids,
            array_agg(users.name ORDER BY lower(users.name), users.id) AS names
        FROM memberships AS other JOIN users ON users.id = other.user_id
        WHERE other.room_id = mine.id AND other.user_id <> :user_id
    ) AS others ON kind = 'direct'
    WHERE place <= :most OR mine.id = :shown
    ORDER BY lower(name), place
""").bindparams(bindparam("user_id", type_=BigInteger), bindparam("shown", type_=BigInteger))


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
    """The rooms with the latest messages, by name, and direct conversations by latest message."""

    rooms: tuple[RoomLink, ...]
    directs: tuple[RoomLink, ...]


async def sidebar_of(connection: AsyncConnection, visitor: Visitor) -> Sidebar:
    """What the visitor is in. A direct room that nobody has written in yet shows only for who opened it."""
    return _sidebar(await _my_rooms(connection, visitor, None), visitor)


async def room_and_sidebar(connection: AsyncConnection, visitor: Visitor, room_id: RoomId) -> tuple[Room, Sidebar]:
    """A room and the sidebar beside it, in one question; raises `NotFound` when the visitor may not see the room."""
    rows = await _my_rooms(connection, visitor, room_id)
    row = next((row for row in rows if row.id == room_id), None)
    if row is None:
        return await visible_room(connection, visitor, room_id), _sidebar(rows, visitor)
    people = _people(row)
    room = Room(
        id=row.id,
        kind=row.kind,
        name=row.name or direct_name(visitor, people),
        revision=row.revision,
        message_count=row.message_count,
        member_count=row.member_count,
        role=row.role,
        read_position=Position(row.read_position),
        people=people,
    )
    return room, _sidebar(rows, visitor)


async def _my_rooms(connection: AsyncConnection, visitor: Visitor, shown: RoomId | None) -> Sequence[Row[Any]]:
    values = {"user_id": visitor.id, "shown": shown, "most": MOST_LISTED}
    return (await connection.execute(_MINE, values)).all()


def _sidebar(rows: Sequence[Row[Any]], visitor: Visitor) -> Sidebar:
    named = [
        RoomLink(row.id, row.name, row.kind, row.message_count > row.read_position)
        for row in rows
        if row.kind != "direct"
    ]
    return Sidebar(tuple(named), tuple(_direct_link(row, visitor) for row in rows if row.kind == "direct"))


def _direct_link(row: Row[Any], visitor: Visitor) -> RoomLink:
    people = _people(row)
    face = people[0] if len(people) == 1 else visitor
    initials = str(len(people)) if len(people) > 1 else face.initials
    hue = row.id % HUES if len(people) > 1 else face.hue
    is_unread = row.message_count > row.read_position
    return RoomLink(row.id, direct_name(visitor, people), "direct", is_unread, initials, hue)


def _people(row: Row[Any]) -> tuple[Person, ...]:
    return tuple(Person(*person) for person in zip(row.ids or (), row.names or (), strict=True))


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
