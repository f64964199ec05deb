"""The queue between a broker's backend and its listener."""

import asyncio

from broadcaster import Event

from chat.memory import MEGABYTE, size_of

# A channel inside the process. An event on it says: hints may have been lost, compare with the database.
RESYNC = "resync"

CAPACITY = 5_000  # events; asyncio hands over up to 128 kB of a socket in one go, some 2,000 of the smallest hints
MOST_QUEUED_BYTES = 4 * MEGABYTE  # 3,000 ordinary hints, or a dozen of the largest


class Events(asyncio.Queue[Event | None]):
    """A queue of events with a memory limit. Call `is_full_for` before `put`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__()
        self._capacity = capacity
        self.bytes = 0

    def is_full_for(self, event: Event) -> bool:
        """Tell whether an event would exceed the limits; never if the queue is empty."""
        return self.qsize() >= self._capacity or (self.qsize() > 0 and self.bytes + _size(event) > MOST_QUEUED_BYTES)

    # `asyncio.Queue` documents these two as hooks for subclasses.

    def _put(self, item: Event | None) -> None:
        super()._put(item)
        self.bytes += _size(item)

    def _get(self) -> Event | None:
        item: Event | None = super()._get()
        self.bytes -= _size(item)
        return item


class Incoming:
    """A bounded queue. When it is full, all its events are replaced by one `RESYNC`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._events = Events(capacity)
        self.dropped = 0

    @property
    def bytes(self) -> int:
        """The bytes of queued events."""
        return self._events.bytes

    def put(self, event: Event) -> None:
        """Queue an event; never waits."""
        if self._events.is_full_for(event):
            while not self._events.empty():
                dropped = self._events.get_nowait()
                self.dropped += dropped is not None and dropped.channel != RESYNC
            self._events.put_nowait(Event(RESYNC, "overflow"))
        self._events.put_nowait(event)

    async def get(self) -> Event:
        """Return the next event. Raises nothing, because broadcaster's listener would die silently."""
        event = await self._events.get()
        assert event is not None
        return event


def _size(event: Event | None) -> int:
    return 0 if event is None else size_of(event.message)
