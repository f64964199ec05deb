"""Who of a room is online."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Person
from chat.ids import RoomId, UserId
from chat.rooms.members import members_among
from chat.templating import fragment

MOST_SHOWN = 50


FRESH_SECONDS = 1.0


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
        self._known: dict[RoomId, tuple[float, Online]] = {}

    async def of(self, connection: AsyncConnection, room_id: RoomId, online: Collection[UserId]) -> Online:
        """The members of a room among those who are online, of at most a second ago."""
        now = time.monotonic()
        if room_id not in self._known or self._known[room_id][0] <= now:
            found = await online_in(connection, room_id, online)
            self._known = {room: known for room, known in self._known.items() if known[0] > now}
            self._known[room_id] = now + FRESH_SECONDS, found
        return self._known[room_id][1]


@lru_cache(maxsize=200)
def online_markup(online: Online) -> Markup:
    """The list as a room's page has it."""
    return Markup(fragment("live/_online.html", online=online))  # noqa: S704  rendered, escaped
