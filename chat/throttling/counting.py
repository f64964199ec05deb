"""Budgets in one storage, with the strategies of the `limits` library and `delays.py`."""

import time
from functools import cache

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter, RateLimiter

from chat.throttling.delays import GrowingDelay
from chat.throttling.rules import Budget, Rule


class Counting:
    """Draws from budgets, each `factor` times as large as its rule says."""

    def __init__(self, storage: Storage, factor: int) -> None:
        self.storage = storage
        self._factor = factor
        # Kept, because the rules are few and every request draws from one of them.
        self._strategy = cache(self._make_strategy)

    async def draw(self, rule: Rule, budget: Budget, subject: str) -> float:
        """Count a use; returns 0, or the seconds until the next is allowed."""
        strategy, item = self._strategy(rule, budget)
        if await strategy.hit(item, subject):
            return 0
        stats = await strategy.get_window_stats(item, subject)
        return max(stats.reset_time - time.time(), 0.001)

    async def forget(self, rule: Rule, budget: Budget, subject: str) -> None:
        """Reset a budget."""
        strategy, item = self._strategy(rule, budget)
        await strategy.clear(item, subject)

    def _make_strategy(self, rule: Rule, budget: Budget) -> tuple[RateLimiter, RateLimitItem]:
        amount = budget.amount * (self._factor if budget.scales else 1)
        namespace = f"{rule.name}/{budget.per}"
        strategy: RateLimiter = FixedWindowRateLimiter(self.storage)
        if budget.longest_delay:
            strategy = GrowingDelay(self.storage, budget.longest_delay)
        return strategy, RateLimitItemPerSecond(amount, budget.seconds, namespace=namespace)
