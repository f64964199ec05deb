"""The unsent frames of slow readers, over all websockets of this process."""

import asyncio

from chat.memory import KILOBYTE, MEGABYTE

# A reader with more unsent bytes is disconnected; it reconnects and resumes by revision.
MOST_UNSENT_BYTES = 256 * KILOBYTE
# Unsent bytes of all readers together. Beyond that, the reader that has been slow for longest is disconnected.
MOST_UNSENT_IN_ALL = 16 * MEGABYTE
# Unsent bytes from which a reader counts as slow: a thousand readers just below have 16 MB.
BEHIND_BYTES = 16 * KILOBYTE


class Backlog:
    """The connections of slow readers, in the order in which they became slow."""

    def __init__(self, most: int = MOST_UNSENT_IN_ALL) -> None:
        self._most = most
        self._unsent: dict[asyncio.Transport, int] = {}
        self.bytes = 0

    def note(self, transport: asyncio.Transport) -> None:
        """Note that a reader is slow, and how many unsent bytes its connection holds."""
        unsent = transport.get_write_buffer_size()
        self.bytes += unsent - self._unsent.get(transport, 0)
        self._unsent[transport] = unsent
        while self.bytes > self._most:
            slow_for_longest = next(iter(self._unsent))
            self.forget(slow_for_longest)
            slow_for_longest.abort()

    def forget(self, transport: asyncio.Transport) -> None:
        """Remove a reader that has caught up or disconnected."""
        self.bytes -= self._unsent.pop(transport, 0)


class FrameQueue(asyncio.Queue[bytes]):
    """Frames for one reader, for servers without direct access to its connection."""

    def __init__(self, most_frames: int) -> None:
        super().__init__(most_frames)
        self._bytes = 0

    def is_full(self) -> bool:
        """Tell whether a reader is too slow for another frame."""
        return self.full() or self._bytes > MOST_UNSENT_BYTES

    # `asyncio.Queue` documents these two as hooks for subclasses.

    def _put(self, item: bytes) -> None:
        super()._put(item)
        self._bytes += len(item)

    def _get(self) -> bytes:
        item: bytes = super()._get()
        self._bytes -= len(item)
        return item
