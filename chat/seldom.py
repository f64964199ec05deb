"""Paces log lines that would repeat at every request: at most one a minute."""

from time import monotonic

PAUSE_SECONDS = 60.0


class Seldom:
    """Tells whether a log line is due again."""

    def __init__(self) -> None:
        self._said_at: float | None = None

    def is_due(self) -> bool:
        """Tell whether a minute has passed since the last line; if so, it counts as logged now."""
        now = monotonic()
        if self._said_at is not None and now - self._said_at < PAUSE_SECONDS:
            return False
        self._said_at = now
        return True

    def reset(self) -> None:
        """Make the next line due at once."""
        self._said_at = None
