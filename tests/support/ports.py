"""Unused ports."""

import random
import socket
from functools import cache

# Below the ports that systems give to outgoing connections, of which the tests have thousands.
_FIRST = 10_000
_RANGES, _PORTS_IN_A_RANGE = 50, 400
_REFUSED_BY_BROWSERS = {10_080}


class _Range:
    """Ports that no other process has that runs tests, be it of this working copy or of another.

    A server opens its port a moment after a test has chosen it, or again after a while. Meanwhile no other test may
    choose it: this process keeps its ports to itself until it ends, and gives each once before it begins anew.
    """

    def __init__(self) -> None:
        firsts = [_FIRST + number * _PORTS_IN_A_RANGE for number in range(_RANGES)]
        random.SystemRandom().shuffle(firsts)
        self._first = next(first for first in firsts if _is_taken_by_us(first))
        self._given = 0

    def next(self) -> int:
        """The next port that is free."""
        for _ in range(_PORTS_IN_A_RANGE):
            self._given += 1
            port = self._first + self._given % _PORTS_IN_A_RANGE
            if port in _REFUSED_BY_BROWSERS:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
        raise AssertionError("every port is taken")


def _is_taken_by_us(first: int) -> bool:
    """Take a range by its first port, which stays bound until this process ends; return whether nobody had it."""
    with socket.socket() as guard:
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:
            return False
        guard.detach()
    return True


_range = cache(_Range)


def free_port() -> int:
    """A port that is free on this machine right now, and that no other test got a moment ago."""
    return _range().next()
