"""What waits to be sent to a broker's server, for as long as it is fresh."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NoReturn

import anyio

from chat.live.brokers.incoming import CAPACITY, MOST_QUEUED_BYTES
from chat.memory import MEGABYTE, size_of

SEND_SECONDS = 1.0  # for a batch to be sent and answered
FRESH_SECONDS = 1.0  # receivers have made good for older hints themselves
IDLE_SECONDS = 2.0  # without a message, then nothing is sent, to see whether the server lives
BATCH = 100  # messages; so many may still arrive late, when the server freezes with a batch in its socket

BATCH_BYTES = MEGABYTE

Batch = list[tuple[str, str]]  # channel, message
_Waiting = tuple[float, str, str]  # since when, channel, message


class Outgoing:
    """Sends what waits, in order and many in one round trip."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._something_to_send = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._bytes = 0
        self._dropped = 0

    @property
    def dropped(self) -> int:
        self._drop_stale()
        return self._dropped

    def put(self, channel: str, message: str) -> None:
        """Queue a message; never waits."""
        self._waiting.append((monotonic(), channel, message))
        self._bytes += size_of(message)
        self._drop_stale()
        while len(self._waiting) > CAPACITY or (self._bytes > MOST_QUEUED_BYTES and len(self._waiting) > 1):
            # The oldest: a newer hint says how far its room is, and that is enough to fetch what was before.
            self._take()
            self._dropped += 1
        self._all_sent.clear()
        self._something_to_send.set()

    def refused(self) -> None:
        """Count a message that the server does not take."""
        self._dropped += 1

    async def all_sent(self) -> None:
        """Wait until nothing waits, on a connection that is being used."""
        await self._all_sent.wait()

    async def send_with(self, send: Callable[[Batch], Awaitable[None]]) -> NoReturn:
        """Send what comes over a connection. An empty batch only asks whether it lives."""
        while True:
            if not self._waiting:
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
                # The next connection tries again with those still fresh. To hear a hint twice does no harm.
                self._waiting.extendleft(reversed(batch))
                self._bytes += sum(size_of(message) for _, _, message in batch)
                raise

    def _drop_stale(self) -> None:
        oldest = monotonic() - FRESH_SECONDS
        while self._waiting and self._waiting[0][0] < oldest:
            self._take()
            self._dropped += 1

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < BATCH and size < BATCH_BYTES:
            batch.append(self._take())
            size += size_of(batch[-1][2])
        return batch

    def _take(self) -> _Waiting:
        oldest = self._waiting.popleft()
        self._bytes -= size_of(oldest[2])
        return oldest
