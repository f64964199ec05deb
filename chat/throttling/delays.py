"""A strategy for the `limits` library: above a budget, attempts pass one at a time, after growing delays."""

import time

from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import RateLimiter
from limits.util import WindowStats

MOST_DOUBLINGS = 20


class GrowingDelay(RateLimiter):
    """Lets `item.amount` attempts pass, then one after 1, 2, 4 … seconds, `longest` at most.

    Attempts that are refused neither lengthen the delay nor count: the next attempt after its end passes.
    """

    def __init__(self, storage: Storage, longest: int) -> None:
        super().__init__(storage)
        self._longest = longest

    async def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Count an attempt; returns whether it passes."""
        key, late, gate = _keys(item, *identifiers)
        if await self.storage.incr(key, item.get_expiry(), cost) <= item.amount:
            return True
        doublings = min(await self.storage.get(late), MOST_DOUBLINGS)
        # Of simultaneous attempts, the gate lets one pass.
        if await self.storage.incr(gate, min(2**doublings, self._longest)) > 1:
            return False
        await self.storage.incr(late, item.get_expiry())
        return True

    async def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Tell whether an attempt would pass."""
        key, _, gate = _keys(item, *identifiers)
        return await self.storage.get(key) + cost <= item.amount or await self.storage.get(gate) == 0

    async def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """Return when the next attempt passes, and how many pass without a delay."""
        key, _, gate = _keys(item, *identifiers)
        left = max(0, item.amount - await self.storage.get(key))
        return WindowStats(time.time() if left else await self.storage.get_expiry(gate), left)

    async def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        """Reset the delay, as after the right password."""
        for key in _keys(item, *identifiers):
            await self.storage.clear(key)


def _keys(item: RateLimitItem, *identifiers: str) -> tuple[str, str, str]:
    key = item.key_for(*identifiers)
    return key, f"{key}/late", f"{key}/gate"
