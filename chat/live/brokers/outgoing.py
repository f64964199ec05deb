"""The queue of messages to a broker's server; stale ones are dropped."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NoReturn

import anyio

from chat.live.brokers.incoming import CAPACITY, MOST_QUEUED_BYTES
from chat.memory import MEGABYTE, size_of

SEND_SECONDS = 1.0  # for a batch to be sent and answered
FRESH_SECONDS = 1.0  # by then receivers have repaired the loss from the database
IDLE_SECONDS = 2.0  # without a message; then an empty batch checks that the server answers
BATCH = 100  # messages; at most these arrive late when the server freezes with a batch in its socket

BATCH_BYTES = MEGABYTE

Batch = list[tuple[str, str]]  # channel, message
_Queued = tuple[float, str, str]  # time queued, channel, message


class Outgoing:
    """Sends queued messages in order, many in one round trip."""

    def __init__(self) -> None:
        self._queue: deque[_Queued] = deque()
        self._something_to_send = asyncio.Event()
        self._all_sent = asyncio.Event()
        self.bytes = 0
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """The number of messages lost, because they were stale, too many, or refused."""
        self._drop_stale()
        return self._dropped

    def put(self, channel: str, message: str) -> None:
        """Queue a message; never waits."""
        self._queue.append((monotonic(), channel, message))
        self.bytes += size_of(message)
        self._drop_stale()
        while len(self._queue) > CAPACITY or (self.bytes > MOST_QUEUED_BYTES and len(self._queue) > 1):
            # The oldest goes first: a newer hint of the room is enough to fetch the older changes.
            self._take()
            self._dropped += 1
        self._all_sent.clear()
        self._something_to_send.set()

    def refused(self) -> None:
        """Count a message that the server refused."""
        self._dropped += 1

    async def all_sent(self) -> None:
        """Wait until the queue is empty, on a connection in use."""
        await self._all_sent.wait()

    async def send_with(self, send: Callable[[Batch], Awaitable[None]]) -> NoReturn:
        """Send queued messages over a connection. An empty batch only checks that it is alive."""
        while True:
            if not self._queue:
                self._all_sent.set()
                self._something_to_send.clear()
                with anyio.move_on_after(IDLE_SECONDS):
                    await self._something_to_send.wait()
            self._drop_stale()
            batch = self._next_batch()
            try:
                with anyio.fail_after(SEND_SECONDS):
                    await send([(channel, message) for _, channel, message in batch])
            except BaseException:
                # The next connection retries the fresh ones. Hearing a hint twice does no harm.
                self._queue.extendleft(reversed(batch))
                self.bytes += sum(size_of(message) for _, _, message in batch)
                raise

    def _drop_stale(self) -> None:
        oldest = monotonic() - FRESH_SECONDS
        while self._queue and self._queue[0][0] < oldest:
            self._take()
            self._dropped += 1

    def _next_batch(self) -> list[_Queued]:
        batch: list[_Queued] = []
        size = 0
        while self._queue and len(batch) < BATCH and size < BATCH_BYTES:
            batch.append(self._take())
            size += size_of(batch[-1][2])
        return batch

    def _take(self) -> _Queued:
        oldest = self._queue.popleft()
        self.bytes -= size_of(oldest[2])
        return oldest
