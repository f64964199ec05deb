"""The audit log: one line for each security event, with the person, the address and the request.

OWASP ASVS 5.0, chapter 16, lists these events. Values given here are written to the log, so they must not be secret.
"""

import logging
from contextvars import ContextVar
from dataclasses import dataclass

from chat.ids import UserId

logger = logging.getLogger("chat.audit")


@dataclass(slots=True)
class RequestContext:
    """The current request: its id, the client's address, the person once known, and its span in a trace."""

    request_id: str = ""
    address: str = ""
    user_id: UserId | None = None
    trace: str = ""


request_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def record(event: str, **details: object) -> None:
    """Log `event`, a name such as `sign_in_failed`, with its details and the current request's context."""
    context = request_context.get() or RequestContext()
    known = {"address": context.address, "user_id": context.user_id, "request_id": context.request_id}
    fields = {name: value for name, value in {**known, **details}.items() if value not in ("", None)}
    logger.info("%s", event, extra={"event": event, "fields": fields})
