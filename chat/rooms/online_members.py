"""Who of a room is online."""

from collections.abc import Collection
from dataclasses import dataclass

from cachetools import LRUCache, TTLCache, cached
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Person
from chat.ids import RoomId, UserId
from chat.memory import MEGABYTE, size_of
from chat.rooms.members import members_among
from chat.templating import fragment

MOST_SHOWN = 50
FRESH_SECONDS = 1.0
KEPT_ROOMS = 200  # with at most 50 people each, whose names have at most 60 characters
KEPT_BYTES = 2 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Online:
    """The first people by name, and how many more there are."""

    people: tuple[Person, ...]
    more: int

    def joined_by(self, person: Person) -> "Online":
        """The same with somebody who is just coming."""
        if self.more or any(one.id == person.id for one in self.people):
            return self
        people = sorted((*self.people, Person(person.id, person.name)), key=lambda one: (one.name.lower(), one.id))
        return Online(tuple(people), 0)


async def online_in(connection: AsyncConnection, room_id: RoomId, online: Collection[UserId]) -> Online:
    """The members of a room among those who are online."""
    people, total = await members_among(connection, room_id, online, MOST_SHOWN)
    return Online(tuple(people), total - len(people))


class OnlineMembers:
    """Who of a room is online, asked at most once a second: a page that connects is told of any change after it."""

    def __init__(self) -> None:
        self._known: TTLCache[RoomId, Online] = TTLCache(KEPT_ROOMS, FRESH_SECONDS)

    async def of(self, connection: AsyncConnection, room_id: RoomId, online: Collection[UserId]) -> Online:
        """The members of a room among those who are online, of at most a second ago."""
        known = self._known.get(room_id)
        if known is None:
            known = self._known[room_id] = await online_in(connection, room_id, online)
        return known


# The names in a list are its key.
@cached(LRUCache(KEPT_BYTES, getsizeof=lambda html: 2 * size_of(html)))
def online_markup(online: Online) -> Markup:
    """The list as a room's page has it."""
    return Markup(fragment("live/_online.html", online=online))  # noqa: S704  rendered, escaped
