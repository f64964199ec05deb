"""Errors that every feature shares; `web/errors.py` turns them into status pages."""

import math

from chat.sqlstates import DISK_FULL, READ_ONLY

LONGEST_IN_SECONDS = 180  # longer times are given in minutes


class CannotRun(Exception):
    """A command cannot run; the text is one line with the reason, for the person who runs the chat."""


class NotFound(Exception):
    """Something does not exist, or this person may not see it. The two look the same from outside."""


class Forbidden(Exception):
    """This person may see something, but not change it in this way; the text says why."""


class SignInNeeded(Exception):
    """The visitor must sign in first."""


class DatabaseUnavailable(Exception):
    """The database is away, restarting, or too busy; `sqlstate` is its own code for the reason, "" if unknown."""

    def __init__(self, text: str, sqlstate: str = "") -> None:
        super().__init__(text)
        self.sqlstate = sqlstate

    @property
    def explanation(self) -> str | None:
        """The text for visitors, None if there is nothing to add to "the database does not answer"."""
        return _EXPLANATIONS.get(self.sqlstate)


_EXPLANATIONS = {
    DISK_FULL: "The disk of the chat's database is full. Reading still works. "
    "Your text is not lost. Keep a copy, and tell an administrator.",
    READ_ONLY: "The chat's database accepts no changes at the moment. Reading still works. "
    "Your text is not lost. Try again in a moment.",
}


class InvalidInput(Exception):
    """Input is invalid; `errors` maps the name of a field, or "form" for the whole form, to the message beside it."""

    status = 422

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors = errors


class NotACommand(InvalidInput):
    """A text that begins like a command cannot be carried out; its author may have meant a message."""


class TooManyRequests(InvalidInput):
    """A rate limit or slow mode refused something, because of `why`; it is allowed again in `seconds`."""

    status = 429

    def __init__(self, why: str, seconds: float, field: str = "form") -> None:
        self.why, self.seconds = why, max(1, math.ceil(seconds))
        super().__init__(**{field: f"{why} Try again in {_duration(self.seconds)}."})


def _duration(seconds: int) -> str:
    if seconds > LONGEST_IN_SECONDS:
        return f"{math.ceil(seconds / 60)} minutes"
    return f"{seconds} seconds" if seconds > 1 else "1 second"
