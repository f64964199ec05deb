"""What readers that are behind have not taken yet, of all sockets of this process together."""

import asyncio

from chat.memory import KILOBYTE, MEGABYTE

# A reader with more than this unsent is dropped; it comes back and resumes by revision.
MOST_UNSENT_BYTES = 256 * KILOBYTE
# What all readers together may be behind. Beyond that the one is dropped that has been behind for longest.
MOST_UNSENT_IN_ALL = 16 * MEGABYTE
# From where on a reader counts as behind: a thousand that are just below it have 16 MB.
BEHIND_BYTES = 16 * KILOBYTE


class Backlog:
    """The connections of readers that are behind, the one that has been so for longest first."""

    def __init__(self, most: int = MOST_UNSENT_IN_ALL) -> None:
        self._most = most
        self._unsent: dict[asyncio.Transport, int] = {}
        self.bytes = 0

    def note(self, transport: asyncio.Transport) -> None:
        """A reader is behind, by what its connection holds now."""
        unsent = transport.get_write_buffer_size()
        self.bytes += unsent - self._unsent.get(transport, 0)
        self._unsent[transport] = unsent
        while self.bytes > self._most:
            longest = next(iter(self._unsent))
            self.forget(longest)
            longest.abort()

    def forget(self, transport: asyncio.Transport) -> None:
        """A reader is behind no longer, or has gone."""
        self.bytes -= self._unsent.pop(transport, 0)


class FrameQueue(asyncio.Queue[bytes]):
    """Frames for one reader, where a server has no direct way to its connection."""

    def __init__(self, most_frames: int) -> None:
        super().__init__(most_frames)
        self._bytes = 0

    def is_full(self) -> bool:
        """Whether a reader is too far behind for a further frame."""
        return self.full() or self._bytes > MOST_UNSENT_BYTES

    # These two are how `asyncio.Queue` is made to keep its items otherwise.

    def _put(self, item: bytes) -> None:
        super()._put(item)
        self._bytes += len(item)

    def _get(self) -> bytes:
        item: bytes = super()._get()
        self._bytes -= len(item)
        return item
