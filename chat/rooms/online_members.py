"""The members of a room who are online."""

from collections.abc import Collection
from dataclasses import dataclass

from cachetools import LRUCache, TTLCache, cached
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.accounts.person import Person
from chat.database.direct import Source
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
    """The first people by name, and the number of further ones."""

    people: tuple[Person, ...]
    more: int

    def joined_by(self, person: Person) -> "Online":
        """Return the list with a person who has just come online."""
        if self.more or any(known.id == person.id for known in self.people):
            return self
        joined = Person(person.id, person.name, face=person.face)
        people = sorted((*self.people, joined), key=lambda each: (each.name.lower(), each.id))
        return Online(tuple(people), 0)


async def online_in(source: Source, room_id: RoomId, online: Collection[UserId]) -> Online:
    """Return the members of a room among the people online."""
    people, total = await members_among(source, room_id, online, MOST_SHOWN)
    return Online(tuple(people), total - len(people))


class OnlineMembers:
    """A cache of the members online, read at most once a second. A page that connects later hears of every change."""

    def __init__(self) -> None:
        self._known: TTLCache[RoomId, Online] = TTLCache(KEPT_ROOMS, FRESH_SECONDS)

    async def of(self, database: AsyncEngine, room_id: RoomId, online: Collection[UserId]) -> Online:
        """Return the members of a room among the people online, at most a second old."""
        known = self._known.get(room_id)
        if known is None:
            known = self._known[room_id] = await online_in(database, room_id, online)
        return known


# The names and faces in a list are its key.
@cached(LRUCache(KEPT_BYTES, getsizeof=lambda html: 2 * size_of(html)))
def online_markup(online: Online) -> Markup:
    """Return the markup of the list on a room's page."""
    return Markup(fragment("live/_online.html", online=online))  # noqa: S704  rendered, escaped
