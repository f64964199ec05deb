"""Unused ports."""

import os
import random
import socket

# Below the ports that systems give to outgoing connections, of which the tests have thousands.
_FIRST = 10_000
_RANGES, _PORTS_IN_A_RANGE = 20, 1_000
_REFUSED_BY_BROWSERS = {10_080}


class _Range:
    """The ports of a process among those that run tests at the same time.

    A server opens its port a moment after a test has chosen it. Meanwhile no other test may choose it: other processes
    have other ports, and this process gives each port once before it begins anew.
    """

    def __init__(self, worker: str) -> None:
        self._first = _FIRST + int(worker.removeprefix("gw")) % _RANGES * _PORTS_IN_A_RANGE
        # Somewhere, as the tests of two working copies may be running.
        self._given = random.SystemRandom().randrange(_PORTS_IN_A_RANGE)

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


_range = _Range(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))


def free_port() -> int:
    """A port that is free on this machine right now, and that no other test got a moment ago."""
    return _range.next()
