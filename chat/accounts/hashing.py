"""The queue for password hashing: few passwords are hashed at a time, and few may wait.

A hash takes about 170 ms of one core and 64 MB. Without a bound, 150 guesses delay all other people for a minute.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio.to_thread

from chat.errors import TooManyRequests

T = TypeVar("T")

AT_A_TIME = 2  # leaves time for other requests
MOST_WAITING = 24  # about two seconds
BUSY = "Many people are signing in at this moment."
BUSY_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Asker:
    """The address that sends a password, and whether its browser is known to the account."""

    address: str = ""
    is_known: bool = False


@dataclass(eq=False, slots=True)
class _Place:
    """A place in the queue. Addresses take turns: an address's second request comes after the first of all others."""

    rank: tuple[bool, int, int]
    address: str
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class HashQueue:
    """A queue: known browsers come first, then addresses take turns. If it is full, its last request is refused."""

    def __init__(self, at_a_time: int = AT_A_TIME, most_waiting: int = MOST_WAITING) -> None:
        self._free = at_a_time
        self._most = most_waiting
        self._arrivals = 0
        self._waiting: list[_Place] = []
        self._threads = anyio.CapacityLimiter(at_a_time)

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return len(self._waiting)

    async def run(self, asker: Asker, work: Callable[..., T], *arguments: str) -> T:
        """Do the work in a thread when its turn comes; raises `TooManyRequests` if the queue is full."""
        await self._turn(asker)
        try:
            return await anyio.to_thread.run_sync(work, *arguments, limiter=self._threads)
        finally:
            self._next()

    async def _turn(self, asker: Asker) -> None:
        if self._free:
            self._free -= 1
            return
        place = self._place_for(asker)
        try:
            await place.turn
        except asyncio.CancelledError:
            if place in self._waiting:
                self._waiting.remove(place)
            elif not place.turn.cancelled() and place.turn.exception() is None:
                self._next()
            raise

    def _place_for(self, asker: Asker) -> _Place:
        self._forget_cancelled()
        before = sum(place.address == asker.address for place in self._waiting)
        self._arrivals += 1
        place = _Place((not asker.is_known, before, self._arrivals), asker.address)
        self._waiting.append(place)
        if len(self._waiting) > self._most:
            last = max(self._waiting, key=lambda place: place.rank)
            self._waiting.remove(last)
            last.turn.set_exception(TooManyRequests(BUSY, BUSY_SECONDS))
        return place

    def _next(self) -> None:
        self._forget_cancelled()
        if not self._waiting:
            self._free += 1
            return
        first = min(self._waiting, key=lambda place: place.rank)
        self._waiting.remove(first)
        first.turn.set_result(None)

    def _forget_cancelled(self) -> None:
        # A request cancelled just now may not have handled its cancellation yet.
        self._waiting = [place for place in self._waiting if not place.turn.done()]
