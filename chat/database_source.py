"""The live engine's queries, answered by the features."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.accounts.status import current_status_emoji
from chat.database.engine import reading
from chat.database.questions import Questions
from chat.errors import DatabaseUnavailable
from chat.ids import Revision, RoomId, UserId
from chat.live.source import Heads, RoomChanges, RoomCount, Seat, SourceUnavailable
from chat.messages.history import changes_since, heads_of
from chat.messages.rendering import as_change
from chat.rooms.online_members import online_in
from chat.rooms.read_positions import counts_above, rooms_of
from chat.rooms.seats import LostSeats, state_of
from chat.templating import fragment


class DatabaseSource:
    """Implements `chat.live.source.Source`."""

    def __init__(self, database: AsyncEngine, questions: Questions) -> None:
        self._database = database
        self._questions = questions
        self._lost_seats = LostSeats(questions)

    async def changes(self, room_id: RoomId, after: Revision, limit: int) -> RoomChanges | None:
        async with self._connection() as connection:
            changed = await changes_since(connection, room_id, after, limit)
        if changed is None:
            return None
        # The time of a later edit is not known.
        posted = [each.created_at for each in changed.messages if each.posted_revision == each.revision]
        committed_at = min(posted).timestamp() if posted else None
        return RoomChanges(tuple(as_change(message) for message in changed.messages), changed.revision, committed_at)

    async def heads(self, room_ids: Collection[RoomId]) -> Heads:
        with _as_unavailable():
            return Heads(*await heads_of(self._questions, room_ids))

    async def expelled(self, seats: AbstractSet[Seat]) -> set[Seat]:
        with _as_unavailable():
            return await self._lost_seats.among(seats)

    async def online_lists(self, room_ids: Collection[RoomId], online: Collection[UserId]) -> dict[RoomId, str]:
        with _as_unavailable():
            lists = {room_id: await online_in(self._database, room_id, online) for room_id in room_ids}
        return {room_id: fragment("live/_online_changed.html", online=online) for room_id, online in lists.items()}

    async def state(self) -> str:
        with _as_unavailable():
            return (await state_of(self._questions))[0]

    async def statuses(self) -> dict[UserId, str]:
        with _as_unavailable():
            return await current_status_emoji(self._database)

    async def rooms_of(self, user_ids: Collection[UserId]) -> dict[UserId, list[RoomCount]]:
        with _as_unavailable():
            return await rooms_of(self._database, user_ids)

    async def counts_above(self, counts: Mapping[RoomId, int]) -> dict[RoomId, int]:
        with _as_unavailable():
            return await counts_above(self._questions, counts)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        with _as_unavailable():
            async with reading(self._database) as connection:
                yield connection


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailable as error:
        raise SourceUnavailable(str(error)) from error
