"""Favourites: the rooms and conversations that a member keeps at the top of their sidebar."""

from sqlalchemy import update

from chat.accounts.person import Visitor
from chat.change import Change
from chat.live import elements
from chat.live.events import PreferencesChanged, SidebarsChanged
from chat.models import memberships
from chat.rooms.room import Room


async def mark_favourite(change: Change, visitor: Visitor, room: Room, *, is_favourite: bool) -> None:
    """Make a room one of the visitor's favourites, or an ordinary one again."""
    seat = (memberships.c.room_id == room.id) & (memberships.c.user_id == visitor.id)
    await change.connection.execute(update(memberships).where(seat).values(favourite=is_favourite))
    change.tell(SidebarsChanged((visitor.id,)), PreferencesChanged(visitor.id, elements.NEWS))
