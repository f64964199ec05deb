"""Direct rooms: one for each set of people."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from chat.change import Change
from chat.database.engine import is_one_of
from chat.errors import Forbidden, InvalidInput
from chat.ids import RoomId, UserId
from chat.live.events import RoomChanged, SidebarsChanged
from chat.models import memberships, rooms, users
from chat.rooms.create import valid_name
from chat.rooms.members import member_ids, rejoin
from chat.rooms.room import Room

LARGEST_GROUP = 20


async def direct_room(change: Change, user_id: UserId, others: Iterable[UserId]) -> RoomId:
    """Return the direct room of these people, creating it if needed; raises `InvalidInput`.

    The room is the same whether A writes to B or B to A. People who left it come back.
    """
    people = sorted({user_id, *others})
    if len(people) > LARGEST_GROUP:
        raise InvalidInput(person=f"A direct conversation has at most {LARGEST_GROUP} people. Make a room instead.")
    connection = change.connection
    known = select(func.count()).where(is_one_of(users.c.id, people))
    if (await connection.execute(known)).scalar_one() != len(people):
        raise InvalidInput(person="Choose people from the list.")
    key = direct_key(people)
    made = insert(rooms).values(kind="direct", direct_key=key).on_conflict_do_nothing().returning(rooms.c.id)
    room_id = (await connection.execute(made)).scalar_one_or_none()
    if room_id is None:
        existing = select(rooms.c.id).where(rooms.c.direct_key == key)
        room_id = RoomId((await connection.execute(existing)).scalar_one())
        await rejoin(change, room_id, people)
        return room_id
    role = case((users.c.id == user_id, "owner"), else_="member")
    seats = select(literal(room_id), users.c.id, role, users.c.direct_level).where(is_one_of(users.c.id, people))
    await connection.execute(insert(memberships).from_select(["room_id", "user_id", "role", "level"], seats))
    change.tell(SidebarsChanged(tuple(people)))
    return RoomId(room_id)


async def name_group(change: Change, room: Room, name: str) -> None:
    """Name a group conversation, or remove its name; raises `Forbidden` or `InvalidInput`."""
    if not room.is_group:
        raise Forbidden("Only a group conversation can be named here.")
    chosen = valid_name(name) if name.strip() else None
    await change.connection.execute(update(rooms).where(rooms.c.id == room.id).values(name=chosen))
    change.tell(RoomChanged(room.id, members=tuple(await member_ids(change.connection, room.id))))


def direct_key(people: Iterable[UserId]) -> bytes:
    """Return the digest of people's sorted ids, which identifies the set of them."""
    return hashlib.sha256(",".join(map(str, sorted(people))).encode()).digest()
