"""Paces log lines that would repeat at every request: at most one a minute."""

from time import monotonic

PAUSE_SECONDS = 60.0


class Reminder:
    """Tells whether a repeated log line is due: the first one at once, further ones after a minute."""

    def __init__(self) -> None:
        self._logged_at: float | None = None

    def is_due(self) -> bool:
        """Tell whether a minute has passed since the last line; if so, it counts as logged now."""
        now = monotonic()
        if self._logged_at is not None and now - self._logged_at < PAUSE_SECONDS:
            return False
        self._logged_at = now
        return True
