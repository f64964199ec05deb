"""Pinning messages, so that all members of a room find them again."""

from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.change import Change
from chat.errors import Forbidden
from chat.ids import MessageId, RoomId
from chat.live.events import RoomChanged
from chat.messages.message import MOST_ON_A_PAGE, Message, cut, message_from, select_messages
from chat.messages.revise import readable_message, revise
from chat.models import messages, users
from chat.rooms.room import may_post, next_revision, room_of_member

MOST_PINNED = 50


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pinned message, and the name of the member who pinned it, "" when their account is deleted."""

    message: Message
    by: str


async def pin(change: Change, visitor: Visitor, message_id: MessageId, *, pinned: bool) -> Message:
    """Pin or unpin a message; every member who may post in the room may do so.

    Raises `NotFound` when the visitor may not see the message, and `Forbidden` when they may not pin it, the room is
    archived, or it has 50 pins already.
    """
    message, _ = await readable_message(change.connection, visitor, message_id)
    if message.is_pinned == pinned:
        return message
    room = await room_of_member(change.connection, visitor, message.room_id)
    # The number of pins is certain only under the room's lock.
    revision = await next_revision(change.connection, room.id)
    if not may_post(visitor, room):
        raise Forbidden("Only members who may post in this room can pin its messages.")
    if pinned and await _pins_in(change.connection, room.id) >= MOST_PINNED:
        raise Forbidden(f"A room has at most {MOST_PINNED} pinned messages. Unpin one first.")
    mark = {"pinned_at": func.now(), "pinned_by": visitor.id} if pinned else {"pinned_at": None, "pinned_by": None}
    revised = await revise(change, message, revision, **mark)
    change.tell(RoomChanged(room.id))
    return revised


@dataclass(frozen=True, slots=True)
class Pins:
    """Pinned messages, the latest pin first, and the number of pins on further pages."""

    pins: list[Pinned]
    more: int


async def pinned_in(connection: AsyncConnection, room_id: RoomId, skipped: int = 0) -> Pins:
    """Return the pinned messages of a room after the first `skipped`: all of them, unless they are very long."""
    pinner = users.alias("pinner")
    statement = (
        select_messages()
        .add_columns(pinner.c.name.label("pinned_by_name"))
        .outerjoin(pinner, pinner.c.id == messages.c.pinned_by)
        .where(messages.c.room_id == room_id, messages.c.pinned_at.is_not(None))
        .order_by(messages.c.pinned_at.desc(), messages.c.id.desc())
        .offset(skipped)
    )
    shown = cut(statement, MOST_ON_A_PAGE, by="pinned_at", descending=True)
    rows = (await connection.execute(shown.order_by(text("pinned_at DESC, id DESC")))).all()
    found = [Pinned(message_from(row), row.pinned_by_name or "") for row in rows]
    return Pins(found, rows[0].asked_in_all - len(rows) if rows else 0)


async def _pins_in(connection: AsyncConnection, room_id: RoomId) -> int:
    pinned = (messages.c.room_id == room_id) & messages.c.pinned_at.is_not(None)
    return int((await connection.execute(select(func.count()).select_from(messages).where(pinned))).scalar_one())
