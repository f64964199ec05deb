"""How much memory texts take, and a budget for what is held at the same time.

Every cache, queue and replay is bounded in bytes, because members choose how long their messages are. The constant that
says how many stands beside each of them; `docs/architecture.md` lists them all.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

KILOBYTE, MEGABYTE = 2**10, 2**20


def size_of(text: str) -> int:
    """The bytes that a text takes in memory: with a single emoji in it Python keeps four for every character."""
    return sys.getsizeof(text)


class Budget:
    """Bytes that several tasks share. A task that finds too few left waits for its turn, in the order of arrival."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._turn = anyio.Lock()
        self._freed = anyio.Event()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Hold so many bytes; what is larger than the whole budget has it to itself."""
        size = min(size, self._most)
        async with self._turn:
            while self._free < size:
                await self._freed.wait()
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._freed.set()
            self._freed = anyio.Event()
