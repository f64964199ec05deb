"""A cache of the newest page of each visited room, rendered, until the room changes."""

from dataclasses import dataclass
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.accounts.installation import Installation
from chat.database.engine import reading
from chat.errors import NotFound
from chat.ids import Revision, RoomId
from chat.memory import MEGABYTE, size_of
from chat.messages.history import HistoryPage, newest_page
from chat.messages.rendering import markup_of_page
from chat.templating import Encoded

# Messages of a room that a reader switches to: a browser shows them in half the time of a whole page's. More come when
# the reader scrolls up.
IN_PART = 25
KEPT_BYTES = 16 * MEGABYTE  # some 200 rooms, of about 50 kilobytes each, with their messages


@dataclass(frozen=True, slots=True)
class NewestPage:
    """A room's newest messages at a revision: the last ones, for readers who switch rooms, and those before."""

    page: HistoryPage
    revision: Revision
    earlier_html: Encoded
    last_html: Encoded

    @property
    def size(self) -> int:
        """Its bytes in memory."""
        markup = size_of(self.earlier_html.utf8) + size_of(self.last_html.utf8)
        return markup + sum(message.size for message in self.page.messages)


class NewestPages:
    """The newest page of the rooms visited last. A room's revision tells whether a cached page is current."""

    def __init__(self) -> None:
        self._kept: LRUCache[tuple[UUID, int, RoomId], NewestPage] = LRUCache(
            KEPT_BYTES, getsizeof=lambda newest: newest.size
        )

    async def at(
        self, database: AsyncEngine, installation: Installation, room_id: RoomId, revision: Revision
    ) -> NewestPage:
        """Return the newest page of a room at `revision` or later; raises `NotFound` when the room was deleted."""
        key = installation.epoch, installation.people_revision, room_id
        kept = self._kept.get(key)
        if kept is None or kept.revision < revision:
            async with reading(database) as connection:
                found = await newest_page(connection, room_id)
            if found is None:
                raise NotFound
            messages = found[0].messages
            kept = NewestPage(*found, markup_of_page(messages[:-IN_PART]), markup_of_page(messages[-IN_PART:]))
            if kept.size <= KEPT_BYTES:
                self._kept[key] = kept
        return kept
