"""Who of a room is online."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Person
from chat.ids import RoomId, UserId
from chat.rooms.members import members_among

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Online:
    """The first people by name, and how many more there are."""

    people: list[Person]
    more: int


async def online_in(connection: AsyncConnection, room_id: RoomId, online: Collection[UserId]) -> Online:
    """The members of a room among those who are online."""
    people, total = await members_among(connection, room_id, online, MOST_SHOWN)
    return Online(people, total - len(people))
