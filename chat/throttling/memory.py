"""Counters in this process.

The library's own `MemoryStorage` has no bound, and each count starts a task that reads all counters.
"""

import time
from collections.abc import Callable

from limits.aio.storage import Storage

MOST_COUNTERS = 100_000  # about 25 MB


class MemoryStorage(Storage):
    """Counters that expire; the oldest are dropped if there are too many."""

    STORAGE_SCHEME = None

    def __init__(self, most: int = MOST_COUNTERS, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._most = most
        self._now = now
        self._counters: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def __len__(self) -> int:
        return len(self._counters)

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a counter, which restarts if it has expired, and return it."""
        count, ends_at = self._current(key)
        if not ends_at:
            self._make_room()
            ends_at = self._now() + expiry
        self._counters[key] = (count + amount, ends_at)
        return count + amount

    async def get(self, key: str) -> int:
        return self._current(key)[0]

    async def get_expiry(self, key: str) -> float:
        return self._current(key)[1] or self._now()

    async def clear(self, key: str) -> None:
        self._counters.pop(key, None)

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        count = len(self._counters)
        self._counters.clear()
        return count

    def _current(self, key: str) -> tuple[int, float]:
        count, ends_at = self._counters.get(key, (0, 0.0))
        if ends_at > self._now():
            return count, ends_at
        # A restarted counter is among the newest.
        self._counters.pop(key, None)
        return 0, 0.0

    def _make_room(self) -> None:
        if len(self._counters) < self._most:
            return
        now = self._now()
        self._counters = {key: counter for key, counter in self._counters.items() if counter[1] > now}
        # A tenth at once, so that this happens rarely.
        for key in list(self._counters)[: max(0, len(self._counters) - self._most * 9 // 10)]:
            del self._counters[key]
