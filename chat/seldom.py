"""What would be said at every request is said once a minute."""

from time import monotonic

PAUSE_SECONDS = 60.0


class Seldom:
    """Tells whether it is time to say something again."""

    def __init__(self) -> None:
        self._said_at: float | None = None

    def is_due(self) -> bool:
        """Whether it was not said for a minute; if so, it is taken as said now."""
        now = monotonic()
        if self._said_at is not None and now - self._said_at < PAUSE_SECONDS:
            return False
        self._said_at = now
        return True

    def reset(self) -> None:
        """Let it be said at once, should it happen again."""
        self._said_at = None
