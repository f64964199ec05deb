"""Repair: finds the rooms whose hints were lost, by their revisions in the database."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio

from chat.ids import Revision, RoomId
from chat.live.brokers.broker import RESYNC, Broker
from chat.live.brokers.subscription import messages_of
from chat.live.room import LiveRoom
from chat.live.source import SourceUnavailable
from chat.reminder import Reminder
from chat.tally import LiveTally

logger = logging.getLogger(__name__)


class Repair:
    """Compares the rooms that have readers here with the database, and lets those that are behind catch up."""

    def __init__(
        self,
        broadcast: Broker,
        rooms: Mapping[RoomId, LiveRoom],
        tally: LiveTally,
        *,
        heads: Callable[[Sequence[RoomId]], Awaitable[Mapping[RoomId, Revision]]],
        catch_up: Callable[[LiveRoom, Revision, str], None],
    ) -> None:
        self._broadcast = broadcast
        self._rooms = rooms
        self._tally = tally
        self._heads = heads
        self._catch_up = catch_up
        self._reminder = Reminder()

    async def listen(self) -> None:
        """Compare whenever the broker may have lost hints, until cancelled."""
        async with self._broadcast.subscribe(RESYNC) as subscriber:
            async for _ in messages_of(subscriber):
                self._tally.resyncs += 1
                # Spreads the processes' queries when a broker comes back.
                await anyio.sleep(random.uniform(0, 0.1))  # noqa: S311  no secret
                await self.compare()

    async def compare(self) -> None:
        """Compare once."""
        visited = [room.id for room in self._rooms.values() if room.subscription is not None and room.visitors]
        if not visited:
            return
        try:
            revisions = await self._heads(visited)
        except SourceUnavailable as error:
            if self._reminder.is_due():
                logger.warning("Could not compare the rooms with the database: %s", error)
            return
        for room_id, revision in revisions.items():
            room = self._rooms.get(room_id)
            if room is not None and room.cursor < revision:
                self._catch_up(room, revision, "comparison")
