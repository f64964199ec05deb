"""Preferences that affect only the person's own pages."""

from typing import get_args

from sqlalchemy import update

from chat.accounts.person import RoomOrder, Theme
from chat.change import Change
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.live.events import PreferencesChanged, SidebarsChanged
from chat.models import users
from chat.templating import fragment
from chat.times import is_zone


async def order_rooms(change: Change, user_id: UserId, by: str, *, unread_first: bool) -> None:
    """Choose the order of a person's sidebar; raises `InvalidInput`."""
    if by not in get_args(RoomOrder):
        raise InvalidInput(rooms_by="Choose an order.")
    chosen = {"rooms_by": by, "unread_first": unread_first}
    await change.connection.execute(update(users).where(users.c.id == user_id).values(chosen))
    change.tell(SidebarsChanged((user_id,)))


async def choose_theme(change: Change, user_id: UserId, theme: str) -> None:
    """Choose a light theme, a dark one, or the system's; raises `InvalidInput`."""
    if theme not in get_args(Theme):
        raise InvalidInput(theme="Choose how the chat looks.")
    await change.connection.execute(update(users).where(users.c.id == user_id).values(theme=theme))
    change.tell(PreferencesChanged(user_id, fragment("accounts/_theme_changed.html", theme=theme)))


async def choose_times(change: Change, user_id: UserId, time_zone: str, hours: str) -> None:
    """Choose a time zone and a clock, each "" for the browser's; raises `InvalidInput`."""
    errors = {}
    if time_zone and not is_zone(time_zone):
        errors["time_zone"] = "Choose a time zone from the list."
    if hours not in ("", "12", "24"):
        errors["hours"] = "Choose a clock."
    if errors:
        raise InvalidInput(**errors)
    chosen = {"time_zone": time_zone or None, "hours": int(hours) if hours else None}
    await change.connection.execute(update(users).where(users.c.id == user_id).values(chosen))
    shown = fragment("accounts/_times_changed.html", time_zone=time_zone, hours=hours)
    change.tell(PreferencesChanged(user_id, shown))
