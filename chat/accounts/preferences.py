"""What people choose for themselves alone."""

from typing import get_args

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import RoomOrder, Theme
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.models import users


async def order_rooms(connection: AsyncConnection, user_id: UserId, by: str, *, unread_first: bool) -> None:
    """Choose in which order one's own rooms stand; raises `InvalidInput`."""
    if by not in get_args(RoomOrder):
        raise InvalidInput(rooms_by="Choose an order.")
    await connection.execute(update(users).where(users.c.id == user_id).values(rooms_by=by, unread_first=unread_first))


async def choose_theme(connection: AsyncConnection, user_id: UserId, theme: str) -> None:
    """Choose light, dark or what the system says; raises `InvalidInput`."""
    if theme not in get_args(Theme):
        raise InvalidInput(theme="Choose how the chat looks.")
    await connection.execute(update(users).where(users.c.id == user_id).values(theme=theme))
