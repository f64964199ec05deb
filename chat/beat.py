"""The beat of a process: what it does every second, or every few seconds, it does at the same moments.

To wake an idle process costs more than most of what it then does. And questions to the database that come at the same
moment share a statement (`chat/database/questions.py`).

While nobody does anything, there is nothing to do. When nobody has come, gone or done anything for a while, a process
rests: it asks every five seconds, until somebody does. With a broker, it still looks for the changes of other processes
every second (`live/hub.py`).
"""

import asyncio
import random
from time import monotonic

# Processes beat at different moments, so that the database is not asked by all of them at once. A whole number, because
# uvloop's clock and timers have milliseconds.
_PHASE = random.randrange(1000)  # noqa: S311  no secret

RESTS_AFTER_SECONDS = 30.0
RESTING_SECONDS = 5.0


class Rest:
    """Whether this process rests, and what sleeps longer meanwhile."""

    def __init__(self) -> None:
        self._changed_at = monotonic()
        self._sleepers: set[asyncio.Future[None]] = set()

    def __bool__(self) -> bool:
        return monotonic() - self._changed_at > RESTS_AFTER_SECONDS

    def end(self) -> None:
        """Note that somebody came, went, or did something: what sleeps longer wakes at once."""
        self._changed_at = monotonic()
        for sleeper in self._sleepers:
            _wake(sleeper)

    async def sleep(self, seconds: float) -> None:
        """Sleep so long, or until there is a change."""
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, sleeper)
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()
            self._sleepers.discard(sleeper)


REST = Rest()  # of this process


def until_beat(every: float = 1.0) -> float:
    """Return the seconds until the next of the beats that are so many seconds apart."""
    length = round(every * 1000)
    return (length - (round(asyncio.get_running_loop().time() * 1000) - _PHASE) % length) / 1000


async def beat(every: float = 1.0) -> None:
    """Wait for the next of the beats that are so many seconds apart."""
    await asyncio.sleep(until_beat(every))


async def beat_or_rest(every: float) -> None:
    """Wait for the next of these beats; while the process rests, for a change or for a beat that may be later."""
    if REST:
        await REST.sleep(until_beat(max(every, RESTING_SECONDS)))
    else:
        await beat(every)


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)
