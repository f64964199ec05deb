"""Rate limiting: every use counts in this process, and shared budgets also in a storage of all processes.

A process never counts more than all processes together. So it refuses a use above a budget without asking the shared
storage, and a flood costs that storage nothing. While the storage is away, each process applies the limits alone.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import anyio

from chat import audit
from chat.errors import TooManyRequests
from chat.throttling.counting import Counting
from chat.throttling.memory import MemoryStorage
from chat.throttling.rules import MINUTE, Budget, Per, Rule
from chat.throttling.shared import SharedStorage

T = TypeVar("T")

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.25
PAUSE_SECONDS = 2.0


class Throttling:
    """Counts uses, and refuses those above the limits."""

    def __init__(self, shared: SharedStorage | None, factor: int) -> None:
        self._memory = MemoryStorage()
        self._here = Counting(self._memory, factor)
        self._storage = shared
        self._shared = Counting(shared, factor) if shared is not None else None
        self._foreseen: tuple[type[Exception], ...] = (TimeoutError, OSError, *_classes(shared))
        self._asks_again_at = 0.0
        self._is_away = False

    async def run(self) -> None:
        """Run the shared storage's upkeep until cancelled."""
        if self._storage is None:
            await anyio.sleep_forever()
        else:
            await self._storage.run()

    async def close(self) -> None:
        """Close the shared storage's connections."""
        if self._storage is not None:
            await self._storage.close()

    async def check(self, rule: Rule, subjects: Mapping[Per, str], field: str = "form", account: str = "") -> None:
        """Draw from every budget of `rule`; raises `TooManyRequests`, for a form's `field`, when one is empty."""
        for budget in rule.budgets:
            subject = subjects[budget.per]
            seconds = await self._draw(rule, budget, subject)
            if seconds:
                # One line a minute, so that a flood of requests does not become a flood of lines.
                if await self._memory.incr(f"{rule.name}/{budget.per}/{subject}/recorded", MINUTE) == 1:
                    audit.record("throttled", rule=rule.name, per=budget.per, subject=subject, account=account)
                raise TooManyRequests(rule.why, seconds, field)

    async def allows(self, rule: Rule, subject: str) -> bool:
        """Draw from the only budget of `rule`; returns False instead of raising."""
        return not await self._draw(rule, rule.budgets[0], subject)

    async def forget(self, rule: Rule, subjects: Mapping[Per, str]) -> None:
        """Reset the budgets of `rule` whose subjects are given, as after the right password."""
        for budget in rule.budgets:
            subject = subjects.get(budget.per)
            if subject is None:
                continue
            await self._here.forget(rule, budget, subject)
            await self._memory.clear(_refused(rule, budget, subject))
            if self._shared is not None and budget.shared:
                await self._ask(self._shared.forget, rule, budget, subject)

    async def _draw(self, rule: Rule, budget: Budget, subject: str) -> float:
        if self._shared is None or not budget.shared:
            return await self._here.draw(rule, budget, subject)
        refused = _refused(rule, budget, subject)
        if await self._memory.get(refused):
            return max(await self._memory.get_expiry(refused) - time.time(), 0.001)
        seconds = await self._here.draw(rule, budget, subject)
        if seconds:
            return seconds
        seconds = await self._ask(self._shared.draw, rule, budget, subject) or 0
        if seconds:
            await self._memory.incr(refused, seconds)
        return seconds

    async def _ask(
        self, look: Callable[[Rule, Budget, str], Awaitable[T]], rule: Rule, budget: Budget, subject: str
    ) -> T | None:
        """Ask the shared storage; None while it is away. Then it is asked only every few seconds."""
        if self._storage is None or time.monotonic() < self._asks_again_at:
            return None
        try:
            with anyio.fail_after(PATIENCE_SECONDS):
                answer = await look(rule, budget, subject)
        except self._foreseen as error:
            self._asks_again_at = time.monotonic() + PAUSE_SECONDS
            if not self._is_away:
                self._is_away = True
                logger.warning("Rate limits hold for each process by itself: the shared counters are away: %r", error)
            return None
        if self._is_away:
            self._is_away = False
            logger.warning("Rate limits hold for all processes together again")
        return answer


def _refused(rule: Rule, budget: Budget, subject: str) -> str:
    return f"{rule.name}/{budget.per}/{budget.seconds}/{subject}/refused"


def _classes(storage: SharedStorage | None) -> tuple[type[Exception], ...]:
    found = storage.base_exceptions if storage is not None else ()
    return found if isinstance(found, tuple) else (found,)
