"""Invite links: one of the chat, and one of each room. A link ends by time, by use, by a new link, or when revoked."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import segno
from sqlalchemy import ColumnElement, DateTime, Select, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.installation import Installation
from chat.change import Change
from chat.errors import InvalidInput, NotFound
from chat.ids import InviteId, RoomId, UserId
from chat.live.events import PagesChanged
from chat.models import invites, rooms, users
from chat.rooms.members import is_in_room, join_as_invited, lock_members, manager_ids

# The choices of the form, with their labels.
LIFETIMES = {"1": "1 day", "7": "7 days", "30": "30 days", "": "No end"}
USES = {"1": "1 person", "5": "5 people", "25": "25 people", "100": "100 people", "": "Any number"}
USUAL_DAYS, USUAL_USES = "7", "25"
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite link. `room_id` is None for the chat's link; the maker is None if their account is deleted."""

    id: InviteId
    token: str
    room_id: RoomId | None
    room_name: str
    maker: str | None
    made_at: datetime
    expires_at: datetime | None
    most_uses: int | None
    uses: int
    has_expired: bool

    @property
    def is_used_up(self) -> bool:
        return self.most_uses is not None and self.uses >= self.most_uses

    @property
    def works(self) -> bool:
        return not self.has_expired and not self.is_used_up

    @property
    def path(self) -> str:
        return f"/invite/{self.token}" if self.room_id is None else f"/join/{self.token}"

    def admits_strangers(self, installation: Installation) -> bool:
        """Tell whether people without an account can sign up with it while sign-up is closed."""
        return self.works and (self.room_id is None or installation.rooms_admit_strangers)


async def make_invite(
    change: Change, maker_id: UserId, room_id: RoomId | None, *, days: str, uses: str, now: datetime
) -> None:
    """Make a link that works for `days` days and `uses` people, "" for no limit; the old link stops working.

    Raises `InvalidInput` for `days` or `uses`.
    """
    errors = {}
    if days not in LIFETIMES:
        errors["days"] = "Choose how long the link works."
    if uses not in USES:
        errors["uses"] = "Choose how many people can use it."
    if errors:
        raise InvalidInput(**errors)
    made = {
        "token": _new_token(),
        "room_id": room_id,
        "made_by": maker_id,
        "expires_at": now + timedelta(days=int(days)) if days else None,
        "most_uses": int(uses) if uses else None,
    }
    await end_invite(change, room_id)
    # Of two people who make a link at the same moment, one gets the other's link.
    await change.connection.execute(insert(invites).values(made).on_conflict_do_nothing())


async def end_invite(change: Change, room_id: RoomId | None) -> None:
    """Switch a room's link off, or the chat's link for None."""
    await change.connection.execute(delete(invites).where(_of(room_id)))
    await _tell(change, room_id)


async def end_any_invite(change: Change, invite_id: InviteId) -> RoomId | None:
    """Switch any link off and return its room; raises `NotFound` if it is off already."""
    statement = delete(invites).where(invites.c.id == invite_id).returning(invites.c.room_id)
    row = (await change.connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    room_id: RoomId | None = row.room_id
    await _tell(change, room_id)
    return room_id


async def renew_invite(change: Change, room_id: RoomId) -> bool:
    """Give a room's link a new address; return False if the room has no link.

    A person removed from the room may know the old one.
    """
    renewed = await change.connection.execute(update(invites).where(_of(room_id)).values(token=_new_token()))
    if renewed.rowcount:
        await _tell(change, room_id)
    return renewed.rowcount > 0


async def invite_of(connection: AsyncConnection, room_id: RoomId | None, now: datetime) -> Invite | None:
    """Return a room's link, or the chat's link for None; None if there is no link."""
    return await _invite(connection, _of(room_id), now)


async def find_invite(connection: AsyncConnection, token: str, now: datetime) -> Invite | None:
    """Return the link with this token; None if it has ended, or its room is archived."""
    if not token.isascii() or not token.isprintable():
        return None  # PostgreSQL keeps no NUL
    return await _invite(connection, (invites.c.token == token) & rooms.c.archived_at.is_(None), now)


async def all_invites(connection: AsyncConnection, now: datetime) -> list[Invite]:
    """Return a page of all links, the chat's link first, then the newest; one more than a page if there are more."""
    order = (invites.c.room_id.is_not(None), invites.c.created_at.desc(), invites.c.id.desc())
    rows = await connection.execute(_select(now).order_by(*order).limit(MOST_LISTED + 1))
    return [Invite(*row) for row in rows]


async def follow_invite(change: Change, user_id: UserId, token: str, now: datetime) -> Invite | None:
    """Use a link to join its room, and return the link; None when it does not work.

    Only a new member counts as a use. Of two people at the last use, one gets in.
    """
    connection = change.connection
    invite = await find_invite(connection, token, now)
    if invite is None:
        return None
    if invite.room_id is not None:
        # Removing a member renews the link under the same lock, so a join that waited for it finds another token.
        await lock_members(connection, invite.room_id)
        if await is_in_room(connection, user_id, invite.room_id):
            return invite
    lasts = invites.c.expires_at.is_(None) | (invites.c.expires_at > now)
    is_left = invites.c.most_uses.is_(None) | (invites.c.uses < invites.c.most_uses)
    used = update(invites).where(invites.c.token == token, lasts, is_left).values(uses=invites.c.uses + 1)
    if not (await connection.execute(used)).rowcount:
        return None
    if invite.room_id is not None:
        await join_as_invited(change, user_id, invite.room_id)
    await _tell(change, invite.room_id)
    return invite


def qr_code(url: str) -> bytes:
    """Return a link as a QR code in SVG: dark on light in every theme, as scanners expect."""
    picture = BytesIO()
    segno.make(url, error="m").save(
        picture, kind="svg", scale=6, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return picture.getvalue()


async def _tell(change: Change, room_id: RoomId | None) -> None:
    change.tell(PagesChanged(("/admin", "/admin/invites")))
    if room_id is not None:
        managers = tuple(await manager_ids(change.connection, room_id))
        change.tell(PagesChanged((f"/rooms/{room_id}/invite",), managers))


def _new_token() -> str:
    return secrets.token_urlsafe(18)


def _of(room_id: RoomId | None) -> ColumnElement[bool]:
    return invites.c.room_id.is_(None) if room_id is None else invites.c.room_id == room_id


def _select(now: datetime) -> Select[Any]:
    has_expired = func.coalesce(invites.c.expires_at <= literal(now, DateTime(timezone=True)), False)
    return (
        select(
            invites.c.id,
            invites.c.token,
            invites.c.room_id,
            func.coalesce(rooms.c.name, "").label("room_name"),
            users.c.name.label("maker"),
            invites.c.created_at,
            invites.c.expires_at,
            invites.c.most_uses,
            invites.c.uses,
            has_expired,
        )
        .outerjoin(rooms, rooms.c.id == invites.c.room_id)
        .outerjoin(users, users.c.id == invites.c.made_by)
    )


async def _invite(connection: AsyncConnection, condition: ColumnElement[bool], now: datetime) -> Invite | None:
    row = (await connection.execute(_select(now).where(condition))).one_or_none()
    return Invite(*row) if row else None
