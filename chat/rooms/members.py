"""The members of a room: joining, leaving, adding, removing."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, delete, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.directory import select_people
from chat.accounts.person import Person, Visitor
from chat.accounts.status import status_column
from chat.change import Change
from chat.database.direct import DirectStatement, Source, is_one_given
from chat.database.engine import contains, is_one_of
from chat.errors import Forbidden, InvalidInput, NotFound
from chat.folding import bare, folded
from chat.ids import RoomId, UserId
from chat.live import elements
from chat.live.events import MembersChanged, PagesChanged, PreferencesChanged, RoomChanged, SidebarsChanged
from chat.models import departures, memberships, rooms, users
from chat.rooms.notification_levels import first_level
from chat.rooms.room import Room, require_manager
from chat.templating import fragment
from chat.text import single_line

PAGE = 200
CANDIDATES = 50
MOST_TOLD = 500  # in a larger room each process finds the members who have pages there


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Person):
    """A member of a room."""

    is_owner: bool


async def join_room(change: Change, user_id: UserId, room: Room) -> None:
    """Join an open room, unless already a member. Earlier messages count as read."""
    if room.kind != "open":
        raise NotFound
    await _add(change, room.id, user_id)


async def join_as_invited(change: Change, user_id: UserId, room_id: RoomId) -> None:
    """Join the room of an invite link, open or closed."""
    await _add(change, room_id, user_id)


async def join_first_room(change: Change, user_id: UserId) -> RoomId | None:
    """Add a new person to the oldest open room, where others are; return the room, None if no room is open."""
    welcoming = (rooms.c.kind == "open") & rooms.c.archived_at.is_(None)
    statement = select(rooms.c.id).where(welcoming).order_by(rooms.c.id).limit(1)
    room_id: RoomId | None = (await change.connection.execute(statement)).scalar_one_or_none()
    if room_id is not None:
        await _add(change, room_id, user_id)
    return room_id


async def leave_room(change: Change, user_id: UserId, room: Room) -> None:
    """Leave a room. When its last owner leaves, its longest-standing member becomes the owner."""
    if room.kind == "direct":
        await _depart(change, user_id, room)
    await _remove(change, room.id, user_id)


async def rejoin(change: Change, room_id: RoomId, people: Collection[UserId]) -> None:
    """Bring those of these people who left a group conversation back into it. Earlier messages count as read."""
    seats = (departures.c.room_id == room_id) & is_one_of(departures.c.user_id, people)
    back = await change.connection.execute(delete(departures).where(seats).returning(departures.c.user_id))
    for user_id in back.scalars().all():
        await _add(change, room_id, user_id)
        level = select(users.c.direct_level).where(users.c.id == user_id).scalar_subquery()
        await change.connection.execute(update(memberships).where(_seat(room_id, user_id)).values(level=level))
        change.tell(RoomChanged(room_id, members=tuple(await member_ids(change.connection, room_id))))


async def add_member(change: Change, visitor: Visitor, room: Room, user_id: UserId) -> None:
    """Let a manager add a person to a room; raises `Forbidden` or `InvalidInput`."""
    require_manager(visitor, room)
    if (await change.connection.execute(select(users.c.id).where(users.c.id == user_id))).one_or_none() is None:
        raise InvalidInput(person="Choose somebody from the list.")
    await _add(change, room.id, user_id)


async def invite(change: Change, visitor: Visitor, room: Room, name: str) -> Person:
    """Add a person to a room by name; in an open room every member may.

    Raises `Forbidden` or `InvalidInput`.
    """
    if room.kind != "open":
        require_manager(visitor, room)
    name = single_line(name)
    statement = select(users.c.id, users.c.name).where(users.c.bare_name == bare(name)).order_by(users.c.id)
    alike = (await change.connection.execute(statement.limit(CANDIDATES))).all()
    found = [row for row in alike if folded(row.name) == folded(name)] or alike
    if not found:
        raise InvalidInput(person=f"Nobody here is called “{name}”." if name else "Name somebody: /invite Ada Lovelace")
    if len(found) > 1:
        raise InvalidInput(person=f"Several people are called “{found[0].name}”. Choose one on the members page.")
    person = Person(found[0].id, found[0].name)
    if (await members_among(change.connection, room.id, [person.id], 1))[1]:
        raise InvalidInput(person=f"{person.name} is in this room already.")
    await _add(change, room.id, person.id)
    return person


async def remove_member(change: Change, visitor: Visitor, room: Room, user_id: UserId) -> None:
    """Let a manager remove a member from a room; raises `Forbidden` or `NotFound`."""
    require_manager(visitor, room)
    if user_id == visitor.id:
        raise Forbidden("You cannot remove yourself. Leave the room instead.")
    if not await _remove(change, room.id, user_id):
        raise NotFound


async def make_owner(change: Change, visitor: Visitor, room: Room, user_id: UserId) -> None:
    """Let a manager make a member an owner; raises `Forbidden` or `NotFound`."""
    require_manager(visitor, room)
    await _set_role(change, room.id, user_id, "owner")


async def end_ownership(change: Change, visitor: Visitor, room: Room, user_id: UserId) -> None:
    """Let a manager make an owner an ordinary member; owners may do so to themselves.

    Raises `Forbidden`, also for the last owner, or `NotFound`.
    """
    require_manager(visitor, room)
    await lock_members(change.connection, room.id)
    others = select(memberships.c.user_id).where(_owners_of(room.id), memberships.c.user_id != user_id).limit(1)
    if (await change.connection.execute(others)).one_or_none() is None:
        raise Forbidden("A room needs an owner. Make somebody else an owner first.")
    await _set_role(change, room.id, user_id, "member")


async def choose_level(change: Change, visitor: Visitor, room: Room, level: str) -> None:
    """Set the visitor's notification level for a room; raises `InvalidInput`."""
    if level not in ("everything", "nothing", *(() if room.kind == "direct" else ("mentions", "hidden"))):
        raise InvalidInput(level="Choose what to be notified of.")
    await change.connection.execute(update(memberships).where(_seat(room.id, visitor.id)).values(level=level))
    change.tell(SidebarsChanged((visitor.id,)), PreferencesChanged(visitor.id, elements.NEWS))
    change.tell(PagesChanged((f"/rooms/{room.id}/settings",), (visitor.id,)))


async def members_of(connection: AsyncConnection, room_id: RoomId, query: str) -> list[Member]:
    """Return a page of members whose name contains `query`, by name; one more than a page if there are more."""
    statement = (
        select(users.c.id, users.c.name, status_column(), users.c.small_picture, memberships.c.role)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.room_id == room_id, contains(users.c.bare_name, query))
        .order_by(func.lower(users.c.name), users.c.id)
        .limit(PAGE + 1)
    )
    return [
        Member(row.id, row.name, row.status, row.small_picture, is_owner=row.role == "owner")
        for row in await connection.execute(statement)
    ]


async def member_ids(connection: AsyncConnection, room_id: RoomId) -> list[UserId]:
    """Return the ids of all members of a room, in no order."""
    statement = select(memberships.c.user_id).where(memberships.c.room_id == room_id)
    return [UserId(user_id) for user_id in (await connection.execute(statement)).scalars()]


async def manager_ids(connection: AsyncConnection, room_id: RoomId) -> list[UserId]:
    """Return the ids of a room's managers, in no order: its owners, and administrators who are members."""
    owners = select(memberships.c.user_id).where(_owners_of(room_id))
    # One condition for both would have PostgreSQL read all members.
    administrators = select(users.c.id).join(memberships).where(memberships.c.room_id == room_id)
    statement = owners.union(administrators.where(users.c.role == "administrator"))
    return [UserId(user_id) for user_id in (await connection.execute(statement)).scalars()]


async def candidates_for(connection: AsyncConnection, room_id: RoomId, query: str) -> list[Person]:
    """Return the first 50 people who are not in the room and whose name contains `query`."""
    is_inside = exists().where(memberships.c.room_id == room_id, memberships.c.user_id == users.c.id)
    outside = select_people().where(~is_inside, contains(users.c.bare_name, query)).limit(CANDIDATES)
    return [Person(*row) for row in await connection.execute(outside)]


async def count_members(connection: AsyncConnection, room_id: RoomId) -> int:
    """Return the number of a room's members."""
    counted = select(func.count()).select_from(memberships).where(memberships.c.room_id == room_id)
    return int((await connection.execute(counted)).scalar_one())


async def count_owners(connection: AsyncConnection, room_id: RoomId) -> int:
    """Return the number of a room's owners."""
    counted = select(func.count()).select_from(memberships).where(_owners_of(room_id))
    return int((await connection.execute(counted)).scalar_one())


_AMONG = DirectStatement(
    select(users.c.id, users.c.name, users.c.small_picture, func.count().over().label("total"))
    .join(memberships, memberships.c.user_id == users.c.id)
    # The condition on memberships lets PostgreSQL look up only these people, not all members of the room.
    .where(
        memberships.c.room_id == bindparam("room_id", type_=BigInteger),
        is_one_given(memberships.c.user_id, "user_ids"),
    )
    .order_by(func.lower(users.c.name), users.c.id)
    .limit(bindparam("most", type_=BigInteger))
)


async def members_among(
    source: Source, room_id: RoomId, user_ids: Collection[UserId], limit: int
) -> tuple[list[Person], int]:
    """Return the first `limit` of these people who are in the room, by name, and the number of all of them."""
    rows = await _AMONG.rows(source, room_id=room_id, user_ids=list(user_ids), most=limit)
    return [Person(row.id, row.name, face=row.small_picture) for row in rows], rows[0].total if rows else 0


async def lock_members(connection: AsyncConnection, room_id: RoomId) -> None:
    """Lock a room's members and owners against other changes until the transaction ends.

    Otherwise two owners who leave at the same moment would each leave the room to the other.
    """
    # Not the room's row: a post in slow mode locks its author's membership and then that row, so the post and the
    # removal of its author would deadlock.
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"members of {room_id}", 0))))


async def is_in_room(connection: AsyncConnection, user_id: UserId, room_id: RoomId) -> bool:
    """Tell whether a person is a member of a room."""
    taken = select(memberships.c.role).where(_seat(room_id, user_id))
    return (await connection.execute(taken)).one_or_none() is not None


async def _depart(change: Change, user_id: UserId, room: Room) -> None:
    if not room.is_group:
        raise Forbidden("You cannot leave a conversation of two. You can mute it.")
    departure = insert(departures).values(room_id=room.id, user_id=user_id)
    await change.connection.execute(departure.on_conflict_do_nothing())
    change.tell(RoomChanged(room.id, members=tuple(person.id for person in room.people)))


async def _add(change: Change, room_id: RoomId, user_id: UserId) -> None:
    await lock_members(change.connection, room_id)
    # A new member of a slow room waits before the first post, or leaving and rejoining would get around slow mode.
    posted_at = case((rooms.c.slow_seconds > 0, func.now()))
    level = first_level(user_id).label("level")
    seat = select(rooms.c.id, literal(user_id), literal("member"), rooms.c.message_count, level, posted_at)
    columns = ["room_id", "user_id", "role", "read_position", "level", "posted_at"]
    statement = insert(memberships).from_select(columns, seat.where(rooms.c.id == room_id)).on_conflict_do_nothing()
    await change.connection.execute(statement)
    await _give_an_owner(change.connection, room_id)
    await _tell(change, room_id, arrived=(user_id,))


async def _remove(change: Change, room_id: RoomId, user_id: UserId) -> bool:
    await lock_members(change.connection, room_id)
    removed = await change.connection.execute(delete(memberships).where(_seat(room_id, user_id)))
    await _give_an_owner(change.connection, room_id)
    await _tell(change, room_id, left=(user_id,))
    return removed.rowcount > 0


async def _set_role(change: Change, room_id: RoomId, user_id: UserId, role: str) -> None:
    changed = await change.connection.execute(update(memberships).where(_seat(room_id, user_id)).values(role=role))
    if changed.rowcount == 0:
        raise NotFound
    await _tell(change, room_id)


async def _give_an_owner(connection: AsyncConnection, room_id: RoomId) -> None:
    """Make the longest-standing member of a room its owner if it has none, as after its last owner left."""
    owned = select(1).where(_owners_of(room_id)).exists()
    longest = (
        select(memberships.c.user_id)
        .where(memberships.c.room_id == room_id)
        .order_by(memberships.c.created_at, memberships.c.user_id)
        .limit(1)
        .scalar_subquery()
    )
    longest_member = (memberships.c.room_id == room_id) & (memberships.c.user_id == longest)
    await connection.execute(update(memberships).where(longest_member, ~owned).values(role="owner"))


async def _tell(
    change: Change, room_id: RoomId, *, arrived: tuple[UserId, ...] = (), left: tuple[UserId, ...] = ()
) -> None:
    count = await count_members(change.connection, room_id)
    members = tuple(await member_ids(change.connection, room_id)) if count <= MOST_TOLD else None
    html = fragment("rooms/_members_changed.html", count=count) if arrived or left else ""
    change.tell(MembersChanged(room_id, html, members, arrived, left))


def _seat(room_id: RoomId, user_id: UserId) -> ColumnElement[bool]:
    return (memberships.c.room_id == room_id) & (memberships.c.user_id == user_id)


def _owners_of(room_id: RoomId) -> ColumnElement[bool]:
    return (memberships.c.room_id == room_id) & (memberships.c.role == "owner")
