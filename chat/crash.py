"""Crash points: places where the torture test kills a process, to prove that nothing is lost.

They do nothing unless `CRASH_POINTS` is set, such as `after_commit:0.01` for one post in a hundred.
"""

import os
import random
import signal
from collections.abc import Mapping

_armed: dict[str, float] = {}


def arm(points: Mapping[str, float]) -> None:
    """Set the chance of dying at each point, from 0 to 1."""
    _armed.update(points)


def crash_point(name: str) -> None:
    """End the process at once, as a power cut would, with the chance set for this point."""
    if _armed and random.random() < _armed.get(name, 0.0):  # noqa: S311  no secret
        os.kill(os.getpid(), signal.SIGKILL)
