"""Traces: spans from a request through its commit to the sockets on other processes. They are off by default.

A span is named to others by its `traceparent` (W3C Trace Context, version 00), which travels in the broker's hints.
"""

import re
from typing import Protocol

# A hint carries no more: a batch of posts to a busy room has up to a hundred.
MOST_IN_A_HINT = 8
_TRACE = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Value = str | int


class Span(Protocol):
    """A piece of work that has begun. `trace` names it to others, "" when nobody records it."""

    @property
    def trace(self) -> str: ...

    def end(self, name: str = "", *, failed: bool = False, attributes: dict[str, Value] | None = None) -> None:
        """Note that the work is done; `name` replaces the first name."""


class Tracing:
    """Records no spans. `chat/tracing/export.py` has the other kind."""

    is_on = False

    def begin(self, name: str, parent: str = "", *, of: str = "internal", started_at: float | None = None) -> Span:
        """Begin a span within the span named `parent`, now or at a time in seconds since 1970.

        `of` is "server" for a request, "producer" for a message to others, "consumer" for its receipt.
        """
        return NO_SPAN

    async def close(self) -> None:
        """Export the last spans."""


class _NoSpan:
    trace = ""

    def end(self, name: str = "", *, failed: bool = False, attributes: dict[str, Value] | None = None) -> None:
        pass


NO_SPAN = _NoSpan()


def trace_in(text: object) -> str:
    """Return a `traceparent`, "" for anything else."""
    return text if isinstance(text, str) and _TRACE.fullmatch(text) else ""


def traces_in(found: object) -> tuple[str, ...]:
    """Return the well-formed traces among the first eight of a hint."""
    return tuple(filter(None, map(trace_in, found[:MOST_IN_A_HINT]))) if isinstance(found, list) else ()
