"""A room's invite link: whoever has it may come in, until it expires, is replaced or switched off."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO

import segno
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.errors import InvalidInput
from chat.ids import RoomId, UserId
from chat.models import rooms
from chat.rooms.members import join_as_invited
from chat.rooms.room import Room, require_manager

# What managers may choose, and how the form says it.
LIFETIMES = {"1": "1 day", "7": "7 days", "30": "30 days", "": "No end"}


@dataclass(frozen=True, slots=True)
class RoomInvite:
    """What a link leads to. One that has expired leads nowhere, but says so."""

    room_id: RoomId
    room_name: str
    token: str
    expires_at: datetime | None
    has_expired: bool


async def make_invite(connection: AsyncConnection, visitor: Visitor, room: Room, days: str, now: datetime) -> None:
    """Give a room a new link, for so many days or, for "", for good; the old one stops working.

    Raises `Forbidden`, or `InvalidInput` for `days`.
    """
    require_manager(visitor, room)
    if days not in LIFETIMES:
        raise InvalidInput(days="Choose how long the link works.")
    expires_at = now + timedelta(days=int(days)) if days else None
    made = {"invite_token": secrets.token_urlsafe(18), "invite_expires_at": expires_at}
    await connection.execute(update(rooms).where(rooms.c.id == room.id).values(made))


async def end_invite(connection: AsyncConnection, visitor: Visitor, room: Room) -> None:
    """Switch a room's link off; raises `Forbidden`."""
    require_manager(visitor, room)
    await connection.execute(
        update(rooms).where(rooms.c.id == room.id).values(invite_token=None, invite_expires_at=None)
    )


async def invite_of(connection: AsyncConnection, room: Room, now: datetime) -> RoomInvite | None:
    """A room's link, or None when it has none."""
    return await _invite(connection, rooms.c.id == room.id, now)


async def find_invite(connection: AsyncConnection, token: str, now: datetime) -> RoomInvite | None:
    """Where a link leads; None when it is not, or no longer, one of ours, or its room is archived."""
    if not token.isascii() or not token.isprintable():
        return None  # PostgreSQL keeps no NUL
    return await _invite(connection, (rooms.c.invite_token == token) & rooms.c.archived_at.is_(None), now)


async def follow_invite(connection: AsyncConnection, user_id: UserId, token: str, now: datetime) -> RoomId | None:
    """Enter the room a link leads to; None when the link does not work."""
    invite = await find_invite(connection, token, now)
    if invite is None or invite.has_expired:
        return None
    await join_as_invited(connection, user_id, invite.room_id)
    return invite.room_id


def qr_code(url: str) -> bytes:
    """A link as a picture for a phone's camera: SVG, dark on light whatever the theme, since scanners expect that."""
    picture = BytesIO()
    segno.make(url, error="m").save(
        picture, kind="svg", scale=6, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return picture.getvalue()


async def _invite(connection: AsyncConnection, which: ColumnElement[bool], now: datetime) -> RoomInvite | None:
    statement = select(rooms.c.id, rooms.c.name, rooms.c.invite_token, rooms.c.invite_expires_at).where(
        which, rooms.c.invite_token.is_not(None)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    has_expired = row.invite_expires_at is not None and row.invite_expires_at <= now
    return RoomInvite(row.id, row.name, row.invite_token, row.invite_expires_at, has_expired)
