"""The notification levels of a person's new rooms, which they can change for each room."""

from dataclasses import dataclass

from sqlalchemy import ScalarSelect, case, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.change import Change
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.live import elements
from chat.live.events import PreferencesChanged, SidebarsChanged
from chat.models import memberships, rooms, users


@dataclass(frozen=True, slots=True)
class FirstLevels:
    """The levels that a person's new memberships begin with."""

    room: str
    direct: str


def first_level(user_id: UserId) -> ScalarSelect[str]:
    """Return a query for a person's first level in an open or closed room, to be inserted with the membership."""
    return select(users.c.room_level).where(users.c.id == user_id).scalar_subquery()


async def first_levels_of(connection: AsyncConnection, user_id: UserId) -> FirstLevels:
    """Return the levels a person has chosen."""
    statement = select(users.c.room_level, users.c.direct_level).where(users.c.id == user_id)
    return FirstLevels(*(await connection.execute(statement)).one())


async def choose_first_levels(
    change: Change, user_id: UserId, room_level: str, direct_level: str, *, everywhere: bool
) -> None:
    """Set a person's levels for new rooms and, if `everywhere`, for all their present ones; raises `InvalidInput`.

    A room hidden from the sidebar stays hidden.
    """
    errors = {}
    if room_level not in ("everything", "mentions", "nothing"):
        errors["room_level"] = "Choose what to be notified of."
    if direct_level not in ("everything", "nothing"):
        errors["direct_level"] = "Choose what to be notified of."
    if errors:
        raise InvalidInput(**errors)
    chosen = {"room_level": room_level, "direct_level": direct_level}
    await change.connection.execute(update(users).where(users.c.id == user_id).values(chosen))
    if everywhere:
        await change.connection.execute(
            update(memberships)
            .where(memberships.c.user_id == user_id, memberships.c.level != "hidden")
            .where(rooms.c.id == memberships.c.room_id)
            .values(level=case((rooms.c.kind == "direct", direct_level), else_=room_level))
        )
        change.tell(SidebarsChanged((user_id,)), PreferencesChanged(user_id, elements.NEWS))
