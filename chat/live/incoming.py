"""What a broker's backend has received and its listener has not taken yet."""

import asyncio

from broadcaster import Event

# The channel, known only inside the process, that says: hints may have been lost, compare with the database.
RESYNC = "resync"

CAPACITY = 5_000  # events; asyncio hands over up to 128 kB of a socket in one go, some 2,000 of the smallest hints


class Incoming:
    """A bounded queue. When it is full, everything in it gives way to one `RESYNC`: hints may be lost."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue(capacity)
        self.dropped = 0

    def put(self, event: Event) -> None:
        """Queue an event; never waits."""
        if self._events.full():
            while not self._events.empty():
                self.dropped += self._events.get_nowait().channel != RESYNC
            self._events.put_nowait(Event(RESYNC, "overflow"))
        self._events.put_nowait(event)

    async def get(self) -> Event:
        """The next event. Raises nothing: broadcaster's listener would die of it, and nobody would know."""
        return await self._events.get()
