"""The newest page of each room that is visited, kept rendered until the room changes."""

from dataclasses import dataclass
from uuid import UUID

from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.installation import Installation
from chat.errors import NotFound
from chat.ids import Revision, RoomId
from chat.messages.history import HistoryPage, newest_page
from chat.messages.rendering import markup_of_page

KEPT = 200  # rooms, of about 50 kilobytes each


@dataclass(frozen=True, slots=True)
class NewestPage:
    """The end of a room's history as it is at a revision."""

    page: HistoryPage
    revision: Revision
    html: Markup


class NewestPages:
    """The newest page of the rooms visited last. A room's revision tells whether what is kept is still true."""

    def __init__(self) -> None:
        self._kept: dict[tuple[UUID, int, RoomId], NewestPage] = {}

    async def at(
        self, connection: AsyncConnection, installation: Installation, room_id: RoomId, revision: Revision
    ) -> NewestPage:
        """The end of a room that is known to have reached `revision`; raises `NotFound` when the room has gone."""
        key = installation.epoch, installation.people_revision, room_id
        kept = self._kept.pop(key, None)
        if kept is None or kept.revision < revision:
            found = await newest_page(connection, room_id)
            if found is None:
                raise NotFound
            kept = NewestPage(*found, markup_of_page(found[0].messages))
        self._kept[key] = kept
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return kept
