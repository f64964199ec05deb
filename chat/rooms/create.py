"""Making rooms, finding them, and saying what they are about."""

from dataclasses import dataclass

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.engine import contains
from chat.errors import Forbidden, InvalidInput
from chat.ids import RoomId, UserId
from chat.models import memberships, rooms
from chat.rooms.notification_levels import first_level
from chat.rooms.room import Kind, Room, member_count
from chat.text import checked_name, single_line

LONGEST_NAME = 80
LONGEST_TOPIC = 200
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


async def create_room(connection: AsyncConnection, owner_id: UserId, name: str, kind: str) -> RoomId:
    """Make an open or closed room owned by one person; raises `InvalidInput`."""
    if kind not in ("open", "closed"):
        raise InvalidInput(kind="Choose who can join.")
    try:
        statement = insert(rooms).values(name=valid_name(name), kind=kind).returning(rooms.c.id)
        room_id = RoomId((await connection.execute(statement)).scalar_one())
    except IntegrityError:
        raise name_taken() from None
    owner = {"room_id": room_id, "user_id": owner_id, "role": "owner", "level": first_level(owner_id)}
    await connection.execute(insert(memberships).values(owner))
    return room_id


async def set_topic(connection: AsyncConnection, room: Room, topic: str) -> str:
    """Set what a room is about, as any member may; the topic as it is kept, "" for none.

    Raises `Forbidden`, or `InvalidInput` for `body`.
    """
    if room.kind == "direct":
        raise Forbidden("A direct conversation has no topic.")
    try:
        topic = valid_topic(topic)
    except InvalidInput as invalid:
        raise InvalidInput(body=invalid.errors["topic"]) from None
    await connection.execute(update(rooms).where(rooms.c.id == room.id).values(topic=topic))
    return topic


async def find_rooms(
    connection: AsyncConnection, user_id: UserId, query: str, *, archived: bool = False
) -> list[RoomSummary]:
    """Open rooms, and closed ones one is in, whose name contains `query`; by name, the first 200.

    Those in the archive are a list of their own.
    """
    mine = and_(memberships.c.room_id == rooms.c.id, memberships.c.user_id == user_id)
    statement = (
        select(rooms, memberships.c.role, member_count())
        .outerjoin(memberships, mine)
        .where(rooms.c.kind != "direct", or_(rooms.c.kind == "open", memberships.c.role.is_not(None)))
        .where(contains(rooms.c.name, query), rooms.c.archived_at.is_not(None) == archived)
        .order_by(func.lower(rooms.c.name), rooms.c.id)
        .limit(PAGE)
    )
    return [
        RoomSummary(row.id, row.name, row.kind, row.member_count, row.role is not None, row.topic, row.description)
        for row in await connection.execute(statement)
    ]


def valid_name(name: str) -> str:
    """A room's name as it is kept; raises `InvalidInput`."""
    return checked_name(name, LONGEST_NAME)


def valid_topic(topic: str) -> str:
    """A topic as it is kept; raises `InvalidInput`."""
    topic = single_line(topic)
    if len(topic) > LONGEST_TOPIC:
        raise InvalidInput(topic=f"A topic has at most {LONGEST_TOPIC} characters.")
    return topic


def name_taken() -> InvalidInput:
    """Two open rooms may not have one name. Archived ones keep theirs, so that they can come back."""
    return InvalidInput(name="There is already an open room with this name.")
