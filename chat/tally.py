"""Counts kept in plain Python, so that counting costs the busiest code next to nothing.

`chat/metrics/` reads them once a second, and passes them on.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

LAG_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
REQUEST_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How many values are at most each bound and above the bound before it, and the sum of all values."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, once or several `times`."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


class LiveTally:
    """The changes, deliveries, replays, repairs and resyncs of a process since its start."""

    def __init__(self) -> None:
        self.changes = 0  # of messages by this process; those of a transaction count as one
        self.deliveries = 0
        self.lag = Histogram(LAG_BOUNDS)  # seconds from a change's commit until a reader's socket has it
        self.replays = 0
        self.repairs: Counter[str] = Counter()  # by cause
        self.resyncs = 0


class RequestTally:
    """The requests that a process has answered since its start."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, str]] = Counter()  # by method, route and status
        self.seconds: dict[tuple[str, str], Histogram] = {}

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer. `route` is a template, such as `/rooms/{room_id}`, so there are few."""
        self.answers[method, route, str(status)] += 1
        durations = self.seconds.get((method, route))
        if durations is None:
            durations = self.seconds[method, route] = Histogram(REQUEST_BOUNDS)
        durations.observe(seconds)
