"""The beat of a process: what it does every second, or every few seconds, it does at the same moments.

To wake an idle process costs more than most of what it then does. And questions to the database that come at the same
moment share a statement (`chat/database/questions.py`).
"""

import random

import anyio

# Processes beat at different moments, so that the database is not asked by all of them at once. A whole number, because
# uvloop's clock and timers have milliseconds.
_PHASE = random.randrange(1000)  # noqa: S311  no secret


def until_beat(every: float = 1.0) -> float:
    """Return the seconds until the next of the beats that are so many seconds apart."""
    length = round(every * 1000)
    return (length - (round(anyio.current_time() * 1000) - _PHASE) % length) / 1000


async def beat(every: float = 1.0) -> None:
    """Wait for the next of the beats that are so many seconds apart."""
    await anyio.sleep(until_beat(every))
