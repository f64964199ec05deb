"""What people choose for themselves alone."""

from typing import get_args

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import RoomOrder, Theme
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.models import users
from chat.times import is_zone


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


async def choose_times(connection: AsyncConnection, user_id: UserId, time_zone: str, hours: str) -> None:
    """Choose a time zone and a clock, each "" for what the browser says; raises `InvalidInput`."""
    errors = {}
    if time_zone and not is_zone(time_zone):
        errors["time_zone"] = "Choose a time zone from the list."
    if hours not in ("", "12", "24"):
        errors["hours"] = "Choose a clock."
    if errors:
        raise InvalidInput(**errors)
    chosen = {"time_zone": time_zone or None, "hours": int(hours) if hours else None}
    await connection.execute(update(users).where(users.c.id == user_id).values(chosen))
