"""The memory that texts take, and a budget for texts in memory at the same time.

Every cache, queue and replay is bounded in bytes, because members choose how long their messages are. Each limit is a
constant beside its cache or queue; `docs/limits.md` lists them all.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

KILOBYTE, MEGABYTE = 2**10, 2**20


def size_of(text: str | bytes) -> int:
    """Return the bytes of a text in memory. A single emoji in a `str` makes Python use four for every character."""
    return sys.getsizeof(text)


class Budget:
    """A budget of bytes that tasks share. When too few are left, tasks wait in the order of arrival."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._turn = anyio.Lock()
        self._freed = anyio.Event()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Hold some bytes; a text larger than the whole budget gets all of it."""
        size = min(size, self._most)
        if self._free < size or self._turn.locked():
            async with self._turn:
                while self._free < size:
                    await self._freed.wait()
                self._free -= size
        else:
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            if self._turn.locked():
                self._freed.set()
                self._freed = anyio.Event()
