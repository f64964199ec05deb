"""A room as the visitor sees it, and the visitor's rights in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Label, and_, any_, bindparam, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Person, Visitor, face_path
from chat.accounts.sessions import VERSION
from chat.database.direct import AnyRow, DirectStatement, Source
from chat.errors import Forbidden, NotFound
from chat.ids import Position, Revision, RoomId, UserId
from chat.models import memberships, messages, rooms, users

Kind = Literal["open", "closed", "direct"]
Level = Literal["everything", "mentions", "nothing", "hidden"]
Posters = Literal["everybody", "managers"]
QUIET: frozenset[Level] = frozenset({"nothing", "hidden"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room, with the visitor's membership if they are a member.

    A direct room without a name of its own shows the names of the others in it.
    """

    id: RoomId
    kind: Kind
    name: str
    has_name: bool
    revision: Revision
    message_count: int
    member_count: int
    role: Literal["owner", "member"] | None
    read_position: Position
    topic: str
    description: str
    posting: Posters
    slow_seconds: int
    shows_previews: bool
    is_archived: bool
    pinned_count: int
    level: Level
    is_favourite: bool
    people: tuple[Person, ...]
    face: UUID | None

    @property
    def face_path(self) -> str:
        """The address of the room's own picture, without its size; "" if it has none."""
        return face_path(f"/rooms/{self.id}", self.face)

    @property
    def is_member(self) -> bool:
        return self.role is not None

    @property
    def is_group(self) -> bool:
        """Whether it is a conversation of more than two people."""
        return self.kind == "direct" and len(self.people) > 1


_SEAT = (memberships.c.role, memberships.c.read_position, memberships.c.level, memberships.c.favourite)

# The condition that a member may manage the room, as in `may_manage`; for SELECTs written as text.
MANAGES = "(role = 'owner' OR is_administrator) AND kind <> 'direct'"


async def visible_room(source: Source, visitor: Visitor, room_id: RoomId) -> Room:
    """Return a room that is open or that the visitor is in; raises `NotFound` otherwise."""
    return await _seen(source, visitor, await _VISIBLE.rows(source, room_id=room_id, user_id=visitor.id))


async def room_of_member_and_version(source: Source, visitor: Visitor, room_id: RoomId) -> tuple[Room, str | None]:
    """Return a room that the visitor is in, and the version of their session; raises `NotFound`."""
    values = {"room_id": room_id, "user_id": visitor.id, "session_id": visitor.session_id}
    rows = await _VISIBLE_AND_VERSION.rows(source, **values)
    room = await _seen(source, visitor, rows)
    if not room.is_member:
        raise NotFound
    return room, rows[0].version


async def _seen(source: Source, visitor: Visitor, rows: Sequence[AnyRow]) -> Room:
    if not rows:
        raise NotFound
    row = rows[0]
    people = (await others_in(source, visitor.id, [row.id]))[row.id] if row.kind == "direct" else ()
    return room_from(row, visitor, people)


def room_from(row: AnyRow, visitor: Visitor, people: tuple[Person, ...]) -> Room:
    """Return the room in a row of `rooms` with the visitor's membership; `people` are the others in a direct room."""
    return Room(
        id=row.id,
        kind=row.kind,
        name=row.name or direct_name(visitor, people),
        has_name=row.name is not None,
        revision=row.revision,
        message_count=row.message_count,
        member_count=row.member_count,
        role=row.role,
        read_position=Position(row.read_position or 0),
        topic=row.topic,
        description=row.description,
        posting=row.posting,
        slow_seconds=row.slow_seconds,
        shows_previews=row.shows_previews,
        is_archived=row.archived_at is not None,
        pinned_count=row.pinned_count,
        level=row.level or "mentions",
        is_favourite=bool(row.favourite),
        people=people,
        face=row.small_picture,
    )


async def room_of_member(source: Source, visitor: Visitor, room_id: RoomId) -> Room:
    """Return a room that the visitor is in; raises `NotFound` otherwise."""
    room = await visible_room(source, visitor, room_id)
    if not room.is_member:
        raise NotFound
    return room


def may_manage(visitor: Visitor, room: Room) -> bool:
    """Tell whether the visitor may change the room and its members: its owners and administrators in it may."""
    return room.kind != "direct" and (room.role == "owner" or (visitor.is_administrator and room.is_member))


def may_post(visitor: Visitor, room: Room) -> bool:
    """Tell whether the visitor may post in the room. Slow mode does not count, since it only makes them wait."""
    return room.is_member and not room.is_archived and (room.posting == "everybody" or may_manage(visitor, room))


def require_manager(visitor: Visitor, room: Room) -> None:
    """Raise `Forbidden` unless the visitor may manage the room."""
    if not may_manage(visitor, room):
        raise Forbidden("Only the room's owners and administrators can do this.")


async def next_revision(connection: AsyncConnection, room_id: RoomId) -> Revision:
    """Lock the room's row and return the revision of the next change; raises `Forbidden` when the room is archived."""
    grown = update(rooms).where(rooms.c.id == room_id, rooms.c.archived_at.is_(None))
    revision = await connection.execute(grown.values(revision=rooms.c.revision + 1).returning(rooms.c.revision))
    found = revision.scalar_one_or_none()
    if found is None:
        raise _archived()
    return Revision(found)


async def require_unarchived(connection: AsyncConnection, room_id: RoomId) -> None:
    """Raise `Forbidden` when a room is in the archive."""
    archived = select(rooms.c.id).where(rooms.c.id == room_id, rooms.c.archived_at.is_not(None))
    if (await connection.execute(archived)).one_or_none() is not None:
        raise _archived()


def _archived() -> Forbidden:
    return Forbidden("This room is archived. You can read it but not change it.")


def member_count() -> Label[int]:
    """Return a column for a `select` from `rooms`: the number of each room's members."""
    everyone = memberships.alias("everyone")
    counted = select(func.count()).where(everyone.c.room_id == rooms.c.id)
    return counted.correlate(rooms).scalar_subquery().label("member_count")


def _pinned_count() -> Label[int]:
    pinned = (messages.c.room_id == rooms.c.id) & messages.c.pinned_at.is_not(None)
    counted = select(func.count()).select_from(messages).where(pinned)
    return counted.correlate(rooms).scalar_subquery().label("pinned_count")


_SELECT_VISIBLE = (
    select(rooms, *_SEAT, member_count(), _pinned_count())
    .outerjoin(memberships, and_(memberships.c.room_id == rooms.c.id, memberships.c.user_id == bindparam("user_id")))
    .where(rooms.c.id == bindparam("room_id"), or_(rooms.c.kind == "open", memberships.c.role.is_not(None)))
)
_VISIBLE = DirectStatement(_SELECT_VISIBLE)
_VISIBLE_AND_VERSION = DirectStatement(
    _SELECT_VISIBLE.add_columns(text(f"{VERSION} AS version").bindparams(bindparam("session_id", type_=BigInteger)))
)
_OTHERS = DirectStatement(
    select(memberships.c.room_id, users.c.id, users.c.name, users.c.small_picture)
    .join(users, users.c.id == memberships.c.user_id)
    .where(memberships.c.room_id == any_(bindparam("room_ids", type_=ARRAY(BigInteger))))
    .where(users.c.id != bindparam("user_id"))
    .order_by(func.lower(users.c.name), users.c.id)
)


async def others_in(source: Source, user_id: UserId, room_ids: list[RoomId]) -> dict[RoomId, tuple[Person, ...]]:
    """Return the other members of each direct room, by name."""
    people: dict[RoomId, tuple[Person, ...]] = dict.fromkeys(room_ids, ())
    for row in await _OTHERS.rows(source, room_ids=room_ids, user_id=user_id):
        people[row.room_id] += (Person(row.id, row.name, face=row.small_picture),)
    return people


def direct_name(visitor: Visitor, others: tuple[Person, ...]) -> str:
    """Return a direct room's name: the others' names, or the visitor's own when they are alone in it."""
    return ", ".join(person.name for person in others) or f"{visitor.name} (you)"
