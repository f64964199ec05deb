"""What a broker's backend has received and its listener has not taken yet."""

import asyncio

from broadcaster import Event

from chat.memory import MEGABYTE, size_of

# The channel, known only inside the process, that says: hints may have been lost, compare with the database.
RESYNC = "resync"

CAPACITY = 5_000  # events; asyncio hands over up to 128 kB of a socket in one go, some 2,000 of the smallest hints
MOST_QUEUED_BYTES = 4 * MEGABYTE  # 3,000 ordinary hints, or a dozen of the largest


class Events(asyncio.Queue[Event | None]):
    """A queue of events with a limit of memory. Ask `is_full_for` before putting one."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__()
        self._capacity = capacity
        self._bytes = 0

    def is_full_for(self, event: Event) -> bool:
        """Whether an event would exceed the limits; never if the queue is empty."""
        return self.qsize() >= self._capacity or (self.qsize() > 0 and self._bytes + _size(event) > MOST_QUEUED_BYTES)

    # `asyncio.Queue` lets subclasses override these two to store items differently.

    def _put(self, item: Event | None) -> None:
        super()._put(item)
        self._bytes += _size(item)

    def _get(self) -> Event | None:
        item: Event | None = super()._get()
        self._bytes -= _size(item)
        return item


class Incoming:
    """A bounded queue. When it is full, everything in it gives way to one `RESYNC`: hints may be lost."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._events = Events(capacity)
        self.dropped = 0

    def put(self, event: Event) -> None:
        """Queue an event; never waits."""
        if self._events.is_full_for(event):
            while not self._events.empty():
                dropped = self._events.get_nowait()
                self.dropped += dropped is not None and dropped.channel != RESYNC
            self._events.put_nowait(Event(RESYNC, "overflow"))
        self._events.put_nowait(event)

    async def get(self) -> Event:
        """The next event. Raises nothing: broadcaster's listener would die of it, and nobody would know."""
        event = await self._events.get()
        assert event is not None
        return event


def _size(event: Event | None) -> int:
    return 0 if event is None else size_of(event.message)
