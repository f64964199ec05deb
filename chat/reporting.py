"""Reporting errors to a Sentry, or to a program that takes the same reports.

A report says where in the code an error happened, and holds nothing that people wrote: the texts of errors may quote
their messages and names. The log has the texts, under the same request id.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread

from chat import __version__, logs
from chat.audit import request_context

CLOSE_SECONDS = 1.0  # for the last reports; a Sentry that is away must not delay the shutdown

# The parts that are kept of the library's own report, which also has the machine's name and the values of variables.
_KEPT = ("event_id", "timestamp", "level", "logger", "platform", "environment", "release", "sdk")
_KEPT_OF_ERRORS = ("type", "module", "mechanism", "thread_id", "stacktrace")
_KEPT_OF_FRAMES = ("filename", "function", "module", "lineno", "pre_context", "context_line", "post_context", "in_app")

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint


class Reporting:
    """Reports each error in the log of this process."""

    def __init__(self, dsn: str) -> None:
        import sentry_sdk  # noqa: PLC0415  an extra
        from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415

        # The library's other integrations would delay requests, or read forms and texts.
        self._client = sentry_sdk.Client(
            dsn=dsn,
            release=f"simplechat@{__version__}",
            default_integrations=False,
            integrations=[LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None)],
            before_send=_without_texts,
            send_default_pii=False,
            include_local_variables=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            enable_backpressure_handling=False,
            # A level means gzip. By itself the library takes brotli, which not every server of the protocol reads.
            _experiments={"transport_compression_level": 9},
        )
        sentry_sdk.get_global_scope().set_client(self._client)

    async def close(self) -> None:
        """Send the last reports."""
        closing = threading.Thread(target=self._client.close, args=(CLOSE_SECONDS,), name="last reports", daemon=True)
        closing.start()
        await anyio.to_thread.run_sync(closing.join, CLOSE_SECONDS)


def _without_texts(report: "Event", hint: "Hint") -> "Event":
    """Return a report with the kinds and places of errors, and the line of the log without its values."""
    kept: dict[str, object] = _only(_KEPT, report)
    record = hint.get("log_record")
    if isinstance(record, logging.LogRecord):
        kept["logentry"] = {"message": logs.safe(str(record.msg))}
    kept["exception"] = {"values": [_without_text(error) for error in _list(report.get("exception"), "values")]}
    context = request_context.get()
    if context is not None and context.request_id:
        kept["tags"] = {"request_id": context.request_id}
    return cast("Event", kept)  # a typed dictionary has no names that are chosen at run time


def _without_text(error: object) -> dict[str, object]:
    kept = _only(_KEPT_OF_ERRORS, error)
    frames = _list(kept.pop("stacktrace", None), "frames")
    return kept | {"stacktrace": {"frames": [_only(_KEPT_OF_FRAMES, frame) for frame in frames]}}


def _only(names: Iterable[str], part: object) -> dict[str, object]:
    return {name: part[name] for name in names if name in part} if isinstance(part, Mapping) else {}


def _list(part: object, name: str) -> list[object]:
    found = part.get(name) if isinstance(part, Mapping) else None
    return found if isinstance(found, list) else []
