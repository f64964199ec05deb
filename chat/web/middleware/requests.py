"""The id of each request, and its line in the log."""

import logging
import random
import re
from time import perf_counter

from starlette.convertors import StringConvertor
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat.audit import RequestContext, request_context
from chat.tally import RequestTally
from chat.tracing.tracing import NO_SPAN, Span, Tracing, Value
from chat.web.middleware.paths import FOR_PROGRAMS, STATIC_FILES
from chat.web.scope import header

logger = logging.getLogger("chat.requests")

# Of these only failures are logged.
QUIET_PATHS = (STATIC_FILES, *FOR_PROGRAMS)
MOST_PATH_CHARACTERS = 200
# Counted by name; a client may send any word as a method.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "WEBSOCKET"})
# A request id that a client or a proxy may choose: it is logged and sent back.
_GIVEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# Invite tokens and codes have 20 characters and more; ids and the chat's own words are shorter.
_LONG_SEGMENT = re.compile(r"[^/]{20,}")


# The messages that begin an answer, with its headers.
_STARTS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})


class RequestMiddleware:
    """Gives every request an id, from `X-Request-ID` if that is a plain word, and logs its end.

    It is outermost, so that the id is on every response and in every line. The log has the path without its query and
    its secrets, such as an invite token.
    """

    def __init__(self, app: ASGIApp, tally: RequestTally, tracing: Tracing) -> None:
        self.app = app
        self._tally = tally
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        context = RequestContext(_request_id(scope), client[0] if client else "")
        token = request_context.set(context)
        span = self._span_of(scope) if self._tracing.is_on else NO_SPAN
        context.trace = span.trace
        line = _Line(scope, context, self._tally, span)
        header = (b"x-request-id", context.request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                message["headers"] = [*message.get("headers", ()), header]
            line.note(message)
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except BaseException as error:
            # A client that disconnects cancels its request.
            line.write(line.status or (500 if isinstance(error, Exception) else 499))
            # Not reset: the server's own line about the error carries the id, too.
            raise
        line.write(line.status)
        request_context.reset(token)

    def _span_of(self, scope: Scope) -> Span:
        """Begin a request's span. Only a proxy that is trusted may name the span around it."""
        if scope["path"].startswith(QUIET_PATHS):
            return NO_SPAN
        parent = header(scope, b"traceparent") or "" if scope["state"]["peer_is_trusted"] else ""
        return self._tracing.begin("request", parent, of="server")


class _Line:
    """The one line of a request."""

    __slots__ = ("_context", "_is_written", "_scope", "_span", "_started", "_tally", "bytes", "status")

    def __init__(self, scope: Scope, context: RequestContext, tally: RequestTally, span: Span) -> None:
        self._scope, self._context, self._tally, self._span = scope, context, tally, span
        self._started = perf_counter()
        self._is_written = False
        self.status = 0
        self.bytes = 0

    def note(self, message: Message) -> None:
        """Note a message to the client; the answer to a websocket's handshake ends its request."""
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
            case "http.response.body":
                self.bytes += len(message.get("body", b""))
            case "websocket.accept":
                self.write(101)
            case "websocket.close":
                self.write(403)

    def write(self, status: int) -> None:
        """Write the line, once, unless the request needs none."""
        if self._is_written:
            return
        self._is_written = True
        seconds = perf_counter() - self._started
        method = self._scope.get("method", "WEBSOCKET")
        self._count(method if method in METHODS else "other", status or 499, seconds)
        is_quiet = status < 500 and self._scope["path"].startswith(QUIET_PATHS)
        level = logging.DEBUG if is_quiet or self._scope["path"] == "/readyz" else logging.INFO
        if not logger.isEnabledFor(level):
            return
        known = {"address": self._context.address, "user_id": self._context.user_id}
        fields = {
            "status": status or 499,
            "milliseconds": round(seconds * 1000, 1),
            "bytes": self.bytes,
            **{name: value for name, value in known.items() if value not in ("", None)},
        }
        # What `logger.log` does, without looking for the line of code that called it.
        told = method, loggable_path(self._scope)
        logger.handle(logger.makeRecord(logger.name, level, "", 0, "%s %s", told, None, extra={"fields": fields}))

    def _count(self, method: str, status: int, seconds: float) -> None:
        route = route_of(self._scope)
        self._tally.note(method, route, status, seconds)
        if self._span is not NO_SPAN:
            known: dict[str, Value] = {"http.request.method": method, "http.route": route}
            known["http.response.status_code"] = status
            self._span.end(f"{method} {route}", failed=status >= 500, attributes=known)


def route_of(scope: Scope) -> str:
    """Return the template of a request's route, such as `/rooms/{room_id}`; "none" when it reached no route."""
    route = scope.get("route")
    return route.path_format if isinstance(route, Route | WebSocketRoute | Mount) else "none"


def loggable_path(scope: Scope) -> str:
    """Return a request's path without secrets: a part that may be any text is replaced by its name."""
    route = scope.get("route")
    if isinstance(route, Route | WebSocketRoute):
        path = route.path_format
        for name, convertor in route.param_convertors.items():
            if not isinstance(convertor, StringConvertor):
                path = path.replace(f"{{{name}}}", convertor.to_string(scope["path_params"][name]))
        return path
    return _LONG_SEGMENT.sub("…", scope["path"][:MOST_PATH_CHARACTERS])


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given if given and _GIVEN_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"
