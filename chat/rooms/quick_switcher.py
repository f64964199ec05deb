"""The quick switcher's list: rooms and people by name."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.directory import find_people
from chat.accounts.person import Visitor
from chat.folding import bare
from chat.ids import UserId
from chat.rooms.browse import find_rooms
from chat.rooms.sidebar import sidebar_of
from chat.text import single_line

MOST = 10


@dataclass(frozen=True, slots=True)
class Destination:
    """A line of the list: a room, a direct conversation, or a person to begin one with."""

    path: str
    name: str
    icon: str
    note: str = ""
    face_path: str = ""
    person_id: UserId | None = None  # of a person to begin with: a link must not open a conversation, as a form may


async def destinations(connection: AsyncConnection, visitor: Visitor, query: str) -> list[Destination]:
    """Return the destinations that match `query`, the visitor's own rooms first.

    Without a query these are the rooms with unread messages, then those with the latest messages.
    """
    query = bare(single_line(query))
    sidebar = await sidebar_of(connection, visitor)
    mine = sorted(sidebar.links, key=lambda room: not room.unread)
    found = [
        Destination(
            f"/rooms/{room.id}", room.name, room.kind, f"{room.unread} new" if room.unread else "", room.face_path
        )
        for room in mine
        if query in bare(room.name)
    ]
    if query:
        listed = {destination.path for destination in found}
        found += [each for each in await _rooms_named(connection, visitor, query) if each.path not in listed]
        known = {room.person_id for room in mine}
        found += [
            Destination(f"/people/{person.id}", person.name, "chat", "New conversation", person.face_path, person.id)
            for person in await find_people(connection, query)
            if person.id not in known
        ]
        found.sort(key=lambda destination: not bare(destination.name).startswith(query))
    return found[:MOST]


async def _rooms_named(connection: AsyncConnection, visitor: Visitor, query: str) -> list[Destination]:
    return [
        Destination(f"/rooms/{room.id}", room.name, room.kind, "" if room.is_member else "not joined", room.face_path)
        for room in await find_rooms(connection, visitor.id, query)
    ]
