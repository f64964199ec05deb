"""Keeps the search index up to date, a moment behind the messages.

Each process indexes within a second what is posted or changed through it, and looks every five seconds for what others
have left, as one that was killed.

A message of ten thousand different letters takes as long as a thousand ordinary ones, and one that PostgreSQL refuses
must not hold up the others. So rooms take turns, each step has a bounded number of bytes and takes about a second, a
step that fails or is slow is halved, and a single message that fails is set aside and tried again later.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.beat import beat_or_rest
from chat.database.engine import reading
from chat.database.questions import Questions
from chat.database.statistics import gather_statistics
from chat.errors import DatabaseUnavailable
from chat.ids import RoomId
from chat.reminder import Reminder
from chat.search.index_steps import (
    LEAST_BYTES,
    MOST_BYTES,
    find_work,
    has_work,
    is_our_turn,
    limit_time,
    message_to_retry,
    retry,
    set_aside,
    step,
)
from chat.search.lag import lag_of
from chat.sqlstates import QUERY_CANCELED

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
LEFT_SECONDS = 5.0  # until a process looks for the changes of others
STEP_SECONDS = 0.5  # the aim for a step; a slower one is halved, a much faster one doubled
STATEMENT_SECONDS = 5.0  # a step's timeout; then it is halved
# The timeout of a single message, below the connection's own limit of 30 seconds. Faster messages are merely slow.
LAST_TRY_SECONDS = 25.0
TURN_SECONDS = 0.5  # rooms are indexed this long before the list of rooms that are behind is read again
REPORT_SECONDS = 60.0
LATE_SECONDS = 60.0  # a message that search cannot find for so long is logged


@dataclass(slots=True)
class _Turn:
    """A room's last turn, and the bytes of its steps."""

    most_bytes: int = MOST_BYTES
    served_at: float = 0.0
    is_behind: bool = True  # with more messages than its last step has taken


class Indexing:
    """Makes new and changed messages searchable. `run` must be running, in one process or in all of them.

    `changes` returns the number of changes of messages by this process so far.
    """

    def __init__(self, database: AsyncEngine, questions: Questions, changes: Callable[[], int]) -> None:
        self._database = database
        self._questions = questions
        self._changes = changes
        self._changes_seen = 0
        self._looked_at = -inf
        self._turns: dict[RoomId, _Turn] = {}
        self._retry_is_due = False
        self._has_statistics = False
        self._reported_at = monotonic()
        self._reminder = Reminder()

    async def run(self) -> None:
        """Index new changes until cancelled."""
        while True:
            await beat_or_rest(PAUSE_SECONDS)
            if not self._is_due():
                continue
            try:
                if await has_work(self._questions):
                    while await self._serve_rooms():
                        pass
                    await self._retry_one()
                    await self._report()
            except DatabaseUnavailable as error:
                self._looked_at = -inf
                if self._reminder.is_due():
                    logger.warning("Could not make new messages searchable: %s", error)

    def _is_due(self) -> bool:
        changes, now = self._changes(), monotonic()
        if changes == self._changes_seen and now - self._looked_at < LEFT_SECONDS:
            return False
        self._changes_seen, self._looked_at = changes, now
        return True

    async def _serve_rooms(self) -> bool:
        """Take a step in each room that is behind, for one turn; return whether one of them needs another step.

        What is posted meanwhile waits for the next second, or a busy room would get a step for each of its messages.
        """
        behind, self._retry_is_due = await find_work(self._database)
        if behind and not self._has_statistics:
            self._has_statistics = await gather_statistics(self._database)
        # Rooms that are up to date need no entry.
        self._turns = {room_id: self._turns.get(room_id) or _Turn() for room_id in behind}
        ends_at = monotonic() + TURN_SECONDS
        for room_id in self._by_turn(behind):
            if not await self._serve(room_id):
                return False
            if monotonic() > ends_at:
                return True
        return any(turn.is_behind for turn in self._turns.values())

    def _by_turn(self, room_ids: Sequence[RoomId]) -> list[RoomId]:
        """Sort the rooms that are behind by their waiting time, the longest first."""
        return sorted(room_ids, key=lambda room_id: self._turns[room_id].served_at)

    async def _serve(self, room_id: RoomId) -> bool:
        """Take a step in a room; False if another process is indexing."""
        turn = self._turns[room_id]
        turn.is_behind = True
        started = monotonic()
        try:
            is_ours = await self._step(room_id, turn)
        except (DBAPIError, DatabaseUnavailable) as error:
            if not _is_about_the_messages(error):
                raise
            if turn.most_bytes > LEAST_BYTES:
                turn.most_bytes //= 2
            else:
                await self._set_aside(room_id, error)
        else:
            if not is_ours:
                self._looked_at = -inf
                return False
            took = monotonic() - started
            if took > STEP_SECONDS:
                turn.most_bytes = max(LEAST_BYTES, turn.most_bytes // 2)
            elif took < STEP_SECONDS / 4:
                turn.most_bytes = min(MOST_BYTES, turn.most_bytes * 2)
        turn.served_at = monotonic()
        return True

    async def _step(self, room_id: RoomId, turn: _Turn) -> bool:
        async with self._database.begin() as connection:
            await limit_time(connection, STATEMENT_SECONDS if turn.most_bytes > LEAST_BYTES else LAST_TRY_SECONDS)
            if not await is_our_turn(connection):
                return False
            turn.is_behind = await step(connection, room_id, turn.most_bytes)
            return True

    async def _set_aside(self, room_id: RoomId, error: Exception) -> None:
        async with self._database.begin() as connection:
            message_id = await set_aside(connection, room_id, _reason(error)) if await is_our_turn(connection) else None
        if message_id is not None:
            logger.warning("Message %d cannot be made searchable: %s", message_id, _reason(error))

    async def _retry_one(self) -> None:
        if not self._retry_is_due:
            return
        async with self._database.begin() as connection:
            message_id = await message_to_retry(connection)
        if message_id is None:
            return
        try:
            async with self._database.begin() as connection:
                await limit_time(connection, LAST_TRY_SECONDS)
                await retry(connection, message_id)
        except (DBAPIError, DatabaseUnavailable) as error:
            if not _is_about_the_messages(error):
                raise
            logger.warning("Message %d still cannot be made searchable: %s", message_id, _reason(error))

    async def _report(self) -> None:
        """Log once a minute how far search is behind, if it is."""
        if monotonic() - self._reported_at < REPORT_SECONDS:
            return
        self._reported_at = monotonic()
        async with reading(self._database) as connection:
            lag = await lag_of(connection)
        if lag.seconds > LATE_SECONDS:
            logger.warning("Search is behind by %d changes; the oldest is %d s old", lag.changes, lag.seconds)


def _is_about_the_messages(error: Exception) -> bool:
    """Tell whether a step failed because of its messages or its timeout, not because the database is away."""
    return not isinstance(error, DatabaseUnavailable) or error.sqlstate == QUERY_CANCELED


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).partition("\n")[0][:200]
