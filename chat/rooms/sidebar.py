"""The sidebar: the visitor's rooms and direct conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import BigInteger, Boolean, bindparam, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import HUES, Person, Visitor, face_path
from chat.accounts.sessions import VERSION
from chat.database.direct import AnyRow, DirectStatement, Source
from chat.ids import Position, RoomId, UserId
from chat.models import columns_of, memberships, rooms
from chat.rooms.header import Elsewhere
from chat.rooms.room import QUIET, Kind, Level, Room, direct_name, room_from, visible_room

MOST_LISTED = 50
MOST_MENTIONS = 100  # the newest unread ones in a room; the page holds the position of each

# Rooms with unread messages first, then by latest message, up to a limit, and always favourites and the room that is
# shown. The people of direct rooms are read too, because the rooms are named for them.
_SELECT_MINE = f"""
    WITH mine AS (
        SELECT {columns_of(rooms)},
            memberships.role, memberships.read_position, memberships.level, memberships.favourite,
            row_number() OVER (PARTITION BY kind = 'direct'
                ORDER BY message_count > read_position AND level <> 'nothing' DESC, newest_at DESC NULLS LAST, rooms.id
            ) AS rank
        FROM memberships JOIN rooms ON rooms.id = memberships.room_id
        WHERE memberships.user_id = :user_id
          AND (kind <> 'direct' OR message_count > 0 OR role = 'owner' OR rooms.id = :shown)
          AND (level <> 'hidden' AND archived_at IS NULL OR rooms.id = :shown)
    )
    SELECT mine.id, kind, name, revision, message_count, role, read_position, level, favourite, others.ids,
        others.names, others.faces, mine.small_picture, posting, slow_seconds, shows_previews, archived_at, topic,
        CASE WHEN mine.id = :shown THEN description END AS description,
        CASE WHEN message_count > read_position
            THEN (SELECT array_agg(position) FROM (SELECT position FROM mentions WHERE mentions.user_id = :user_id
                AND mentions.room_id = mine.id AND mentions.position > read_position
                ORDER BY position DESC LIMIT :most_mentions) AS newest) END AS mentions,
        CASE WHEN message_count > read_position
            THEN (SELECT array_agg(position) FROM (SELECT position FROM messages WHERE messages.room_id = mine.id
                AND deleted_at IS NOT NULL AND messages.position > read_position
                ORDER BY position DESC LIMIT :most_mentions) AS newest) END AS deleted,
        CASE WHEN mine.id = :shown
            THEN (SELECT count(*) FROM memberships AS everyone WHERE everyone.room_id = mine.id) END AS member_count,
        CASE WHEN mine.id = :shown THEN (SELECT count(*) FROM messages
            WHERE messages.room_id = mine.id AND pinned_at IS NOT NULL) END AS pinned_count {{also}}
    FROM mine LEFT JOIN LATERAL (
        SELECT array_agg(users.id ORDER BY lower(users.name), users.id) AS ids,
            array_agg(users.name ORDER BY lower(users.name), users.id) AS names,
            array_agg(users.small_picture ORDER BY lower(users.name), users.id) AS faces
        FROM memberships AS other JOIN users ON users.id = other.user_id
        WHERE mine.kind = 'direct' AND other.room_id = mine.id AND other.user_id <> :user_id
    ) AS others ON true
    WHERE rank <= :most OR favourite OR mine.id = :shown
    ORDER BY CASE WHEN kind <> 'direct' AND NOT :by_activity THEN lower(name) END, newest_at DESC NULLS LAST, mine.id
"""  # noqa: S608  of constants
_VALUES = (
    bindparam("user_id", type_=BigInteger),
    bindparam("shown", type_=BigInteger),
    bindparam("by_activity", type_=Boolean),
)
_MINE = DirectStatement(text(_SELECT_MINE.format(also="")).bindparams(*_VALUES))
_MINE_AND_VERSION = DirectStatement(
    text(_SELECT_MINE.format(also=f", CASE WHEN mine.id = :shown THEN {VERSION} END AS version")).bindparams(
        *_VALUES, bindparam("session_id", type_=BigInteger)
    )
)


class RoomLink(NamedTuple):
    """A line of the sidebar. Every page makes one for each of its reader's rooms, which tuples do fastest."""

    id: RoomId
    name: str
    kind: Kind
    message_count: int
    read_position: Position
    level: Level
    mentions: tuple[Position, ...] = ()
    is_favourite: bool = False
    initials: str = ""
    hue: int = 0
    person_id: UserId | None = None  # the other person in a conversation of two
    deleted: tuple[Position, ...] = ()
    face_path: str = ""  # of the room's own picture, else of the other person

    @property
    def unread(self) -> int:
        new = self.message_count - self.read_position - len(self.deleted)
        return 0 if self.level in QUIET else max(0, new)

    @property
    def wanted(self) -> int:
        """The number of new messages that the person wants to be told of."""
        return len(self.mentions) if self.level == "mentions" else self.unread

    @property
    def shown_mentions(self) -> int:
        """The number of mentions on the room's line."""
        return 0 if self.level in QUIET else len(self.mentions)


@dataclass(frozen=True, slots=True)
class Sidebar:
    """Favourites, other rooms as the visitor sorts them, and other direct conversations by latest message."""

    favourites: tuple[RoomLink, ...]
    rooms: tuple[RoomLink, ...]
    directs: tuple[RoomLink, ...]

    def elsewhere(self, room_id: RoomId) -> Elsewhere:
        """Return what is new in other rooms."""
        others = [room for room in self.links if room.id != room_id]
        return Elsewhere(sum(room.wanted for room in others), sum(room.shown_mentions for room in others))

    @property
    def links(self) -> tuple[RoomLink, ...]:
        """All rooms and conversations."""
        return (*self.favourites, *self.rooms, *self.directs)

    @property
    def wanted(self) -> int:
        """The number of new messages in all rooms that the visitor wants to be told of."""
        return sum(room.wanted for room in self.links)

    @property
    def unread_mentions(self) -> int:
        """The number of unread mentions of the visitor in all rooms."""
        return sum(len(room.mentions) for room in self.links)


async def sidebar_of(source: Source, visitor: Visitor) -> Sidebar:
    """Return the visitor's sidebar. An empty direct room shows only for the person who opened it."""
    return _sidebar(await _my_rooms(source, visitor, None), visitor)


async def room_to_open(connection: AsyncConnection, user_id: UserId, last: RoomId | None) -> RoomId | None:
    """Return `last` if the person still lists that room, else their room with the latest message, if any."""
    is_last = rooms.c.id == (last or 0)
    statement = (
        select(rooms.c.id)
        .join(memberships, memberships.c.room_id == rooms.c.id)
        .where(memberships.c.user_id == user_id, memberships.c.level != "hidden", rooms.c.archived_at.is_(None))
        .where(or_(rooms.c.kind != "direct", rooms.c.message_count > 0, is_last))
        .order_by(is_last.desc(), rooms.c.newest_at.desc().nulls_last(), rooms.c.id)
        .limit(1)
    )
    found: RoomId | None = (await connection.execute(statement)).scalar_one_or_none()
    return found


async def room_and_sidebar(source: Source, visitor: Visitor, room_id: RoomId) -> tuple[Room, Sidebar, str | None]:
    """Return a room, the sidebar and the version of the session by one query.

    Raises `NotFound` when the visitor may not see the room.
    """
    rows = await _my_rooms(source, visitor, room_id)
    row = next((row for row in rows if row.id == room_id), None)
    if row is None:
        return await visible_room(source, visitor, room_id), _sidebar(rows, visitor), None
    return room_from(row, visitor, _people(row)), _sidebar(rows, visitor), row.version


async def _my_rooms(source: Source, visitor: Visitor, shown: RoomId | None) -> Sequence[AnyRow]:
    values = {
        "user_id": visitor.id,
        "shown": shown,
        "by_activity": visitor.rooms_by == "activity",
        "most": MOST_LISTED,
        "most_mentions": MOST_MENTIONS,
    }
    if shown is None:
        return await _MINE.rows(source, **values)
    return await _MINE_AND_VERSION.rows(source, session_id=visitor.session_id, **values)


def _sidebar(rows: Sequence[AnyRow], visitor: Visitor) -> Sidebar:
    links = [_direct_link(row, visitor) if row.kind == "direct" else _room_link(row) for row in rows]
    if visitor.unread_first:
        links.sort(key=lambda link: not link.unread)
    others = [link for link in links if not link.is_favourite]
    return Sidebar(
        favourites=tuple(link for link in links if link.is_favourite),
        rooms=tuple(link for link in others if link.kind != "direct"),
        directs=tuple(link for link in others if link.kind == "direct"),
    )


def _room_link(row: AnyRow) -> RoomLink:
    return RoomLink(
        id=row.id,
        name=row.name,
        kind=row.kind,
        message_count=row.message_count,
        read_position=row.read_position,
        level=row.level,
        mentions=tuple(row.mentions or ()),
        deleted=tuple(row.deleted or ()),
        is_favourite=row.favourite,
        face_path=face_path(f"/rooms/{row.id}", row.small_picture),
    )


def _direct_link(row: AnyRow, visitor: Visitor) -> RoomLink:
    people = _people(row)
    face = people[0] if len(people) == 1 else visitor
    is_group = len(people) > 1
    link = _room_link(row)
    return link._replace(
        name=row.name or direct_name(visitor, people),
        initials=str(len(people)) if is_group else face.initials,
        hue=row.id % HUES if is_group else face.hue,
        person_id=None if is_group else face.id,
        face_path=link.face_path if is_group else face.face_path,
    )


def _people(row: AnyRow) -> tuple[Person, ...]:
    found = zip(row.ids or (), row.names or (), row.faces or (), strict=True)
    return tuple(Person(user_id, name, face=face) for user_id, name, face in found)
