"""Counts of the last minute."""

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic

SECONDS = 60.0
STEP_SECONDS = 5.0


class Minute:
    """Remembers counts as they were at some moments of the last minute. `tick` must be called often."""

    def __init__(self) -> None:
        self._earlier: deque[tuple[float, Mapping[str, float]]] = deque()

    def tick(self, counts: Callable[[], Mapping[str, float]]) -> None:
        """Remember the counts, if the last ones are old enough."""
        now = monotonic()
        if not self._earlier or now - self._earlier[-1][0] >= STEP_SECONDS:
            self._earlier.append((now, counts()))
        # The oldest is from the moment before the minute began.
        while len(self._earlier) > 1 and self._earlier[1][0] <= now - SECONDS:
            self._earlier.popleft()

    def since_then(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Return by how much the counts have grown in the last minute, or since the start."""
        before = self._earlier[0][1] if self._earlier else {}
        return {name: count - before.get(name, 0) for name, count in counts.items()}
