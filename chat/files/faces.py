"""The pictures of people and rooms, and the logo of the chat: choosing them, and which object is which."""

from typing import Literal
from uuid import UUID

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.directory import person_by_id
from chat.accounts.installation import tell_look
from chat.accounts.person import Visitor, version_of
from chat.change import Change
from chat.errors import Forbidden, NotFound
from chat.files.pictures import Square
from chat.files.prepared import LARGE_SIDE, SMALL_SIDE
from chat.files.served import Served
from chat.files.uploads import keep_objects
from chat.ids import UserId
from chat.live.events import LookChanged, RoomChanged
from chat.models import installation, rooms, users
from chat.rooms.members import member_ids
from chat.rooms.room import Room, require_manager
from chat.templating import fragment

THE_CHAT = 1  # the only row of `installation`
Owner = Literal["person", "room", "chat"]
_TABLES: dict[Owner, Table] = {"person": users, "room": rooms, "chat": installation}
_COLUMNS = {SMALL_SIDE: "small_picture", LARGE_SIDE: "large_picture"}


async def change_face(change: Change, user_id: UserId, picture: Square | None) -> None:
    """Give a person another picture, or none."""
    await _change_picture(change, "person", user_id, picture)
    await change.connection.execute(update(installation).values(people_revision=installation.c.people_revision + 1))
    person = await person_by_id(change.connection, user_id)
    change.tell(LookChanged(fragment("accounts/_face_changed.html", person=person)))


def require_decorator(visitor: Visitor, room: Room) -> None:
    """Raise `Forbidden` unless the visitor may choose the room's picture: in a group every member may."""
    if room.kind != "direct":
        require_manager(visitor, room)
    elif not room.is_group:
        raise Forbidden("Only a group conversation can have a picture.")


async def change_room_picture(change: Change, visitor: Visitor, room: Room, picture: Square | None) -> None:
    """Give a room another picture, or none; raises `Forbidden`."""
    require_decorator(visitor, room)
    await _change_picture(change, "room", room.id, picture)
    members = tuple(await member_ids(change.connection, room.id))
    change.tell(RoomChanged(room.id, members=members, is_listed=room.kind != "direct"))


async def change_logo(change: Change, picture: Square | None) -> None:
    """Give the chat another logo, or the usual one."""
    await _change_picture(change, "chat", THE_CHAT, picture)
    await tell_look(change)


async def _change_picture(change: Change, owner: Owner, owner_id: int, picture: Square | None) -> None:
    """Replace a picture. A trigger lets the objects of the former one be deleted."""
    table = _TABLES[owner]
    keys = (picture.small, picture.large) if picture else (None, None)
    values = dict(zip(_COLUMNS.values(), keys, strict=True))
    await change.connection.execute(update(table).where(table.c.id == owner_id).values(values))
    if picture:
        await keep_objects(change.connection, [picture.small, picture.large])


async def picture_of(connection: AsyncConnection, owner: Owner, owner_id: int, version: str, side: int) -> Served:
    """Return a picture in one of its sizes; raises `NotFound` when its owner has another one by now."""
    table = _TABLES[owner]
    if side not in _COLUMNS:
        raise NotFound
    asked = select(table.c.small_picture, table.c[_COLUMNS[side]].label("asked")).where(table.c.id == owner_id)
    row = (await connection.execute(asked)).one_or_none()
    small: UUID | None = row.small_picture if row else None
    if row is None or small is None or version_of(small) != version:
        raise NotFound
    return Served(row.asked, "picture.webp", "image/webp", None)
