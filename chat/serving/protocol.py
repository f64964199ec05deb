"""uvicorn's HTTP protocol with limits on headers, time, memory and the number of connections.

The subclass depends on the internals of uvicorn 0.54.0, which has no such limits; `tests/serving/test_protocol.py`
tests each. A trusted proxy has limits of its own (docs/deploy/), and must keep these as well.
"""

import asyncio
from time import time
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chat.serving.connections import Connection, Connections
from chat.serving.headers import HTTP_HEADERS, date_headers
from chat.serving.upgraded import answer_to

MOST_HEADER_BYTES = 32 * 1024  # the request line and all headers, or all trailers
MOST_HEADERS = 100
MOST_LINE_BYTES = 8190  # of a websocket's handshake
MOST_PIPELINED = 16
HEADER_SECONDS = 10.0  # from the connection, or from the first byte of a later request
# After a grace period the client must send or read this much, as in Apache's mod_reqtimeout.
GRACE_SECONDS = 10.0
SLOWEST_BYTES_A_SECOND = 500
WINDOW_SECONDS = 30.0  # the speed of a long body counts anew: a client must not stop after sending much at first
MOST_HELD_OF_A_BODY = 256 * 1024  # a form is kept until it is complete; of a file there is never more in memory
LINGER_SECONDS = 2.0  # for a client that still sends; closing at once would discard the response
RETRY_SECONDS = 5
SLICE_BYTES = 16 * 1024

EXPLANATIONS = {
    400: "Invalid HTTP request received.",
    408: "The request took too long.",
    431: "The header is too large.",
    503: "There are too many connections. Try again in a moment.",
}


class _Refused(Exception):
    """The request being read is refused; `status` says why."""

    def __init__(self, status: int) -> None:
        self.status = status


class BoundedProtocol(HttpToolsProtocol):
    """An HTTP connection that enforces its client's limits. `Connections` is in the lifespan's state."""

    place: Connection | None = None
    answering: Any = None  # the request being answered; `cycle` is the latest request
    held = 0
    header_since: float | None = None
    body_since: float | None = None
    unsent_since: float | None = None
    closing_since: float | None = None
    refused_since: float | None = None

    def connection_made(  # type: ignore[override]  # as the class above it does
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self.every_connection: Connections = self.app_state["connections"]
        self.place = self.every_connection.open(self.client[0] if self.client else "", self.make_way)
        self._has_begun = False  # a request has begun and is not complete
        self._in_header = True
        self._moved = False  # the last bytes completed a header or were part of a body
        self._unframed = 0  # bytes of an unfinished header or of trailers
        self._body_bytes = 0  # since `body_since`
        self._body_held = 0
        self._unsent_before = 0  # bytes to write when writing was paused, or when closing began
        self.header_since = self.every_connection.clock
        self.every_connection.watch(self)
        if self.place is None:
            self.refuse(503)
            self.transport.close()
        else:
            self.place.rest()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answering is not None and not self.answering.response_complete:
            self.answering.disconnected = True
            self.answering.message_event.set()
        super().connection_lost(exc)
        self.every_connection.unwatch(self)
        if self.place is not None:
            self.place.close()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            self._feed(data[start : start + SLICE_BYTES])

    def _feed(self, data: bytes) -> None:
        if self.refused_since is not None or self.parser is None:
            return
        self._moved = False
        self._unframed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            return
        except httptools.HttpParserError as error:
            self.refuse(error.__context__.status if isinstance(error.__context__, _Refused) else 400)
            return
        if self._moved:
            self._unframed = 0
        elif self._unframed > MOST_HEADER_BYTES:
            self.refuse(431)
            return
        self._weigh(self._unsent_before if self.unsent_since is not None else 0)

    def _weigh(self, unsent: int) -> None:
        held = self._unframed + self._body_held + unsent
        if held != self.held:
            self.every_connection.hold(self, held)

    def handle_websocket_upgrade(self) -> None:
        answer = answer_to(self.headers) if self.scope["method"] == "GET" and self.url.isascii() else None
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if answer is None or is_busy:
            self.refuse(400)
        elif self._unframed > MOST_LINE_BYTES and self._has_long_line():
            self.refuse(431)
        else:
            self._become_websocket(answer)

    def _has_long_line(self) -> bool:
        lines = [self.url, *(name + value for name, value in self.headers)]
        return max(map(len, lines)) > MOST_LINE_BYTES

    def _become_websocket(self, answer: bytes) -> None:
        self.every_connection.unwatch(self)
        self.connections.discard(self)
        protocol: Any = self.ws_protocol_class
        successor = protocol(config=self.config, server_state=self.server_state, app_state=self.app_state)
        successor.place = self.place
        if self.place is not None:
            self.place.work()
            self.place.make_way = self.transport.abort
        self.transport.set_protocol(successor)
        successor.begin(self.transport, self.scope, self.url, answer)
        # It knows this connection, so only the garbage collector would find the two.
        self.parser = None  # type: ignore[assignment]  # as uvicorn itself does in the end

    def on_message_begin(self) -> None:
        self._unset_keepalive_if_required()
        self._has_begun = self._in_header = True
        if self.header_since is None:
            self.header_since = self.every_connection.clock
        # uvicorn makes the date every second, and would wake an idle process for it.
        self.server_state.default_headers = date_headers(int(time()))
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Fields after the body are trailers, which the chat does not use.
        if self._in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEADERS or (self._unframed > MOST_HEADER_BYTES and self._header_is_too_large()):
            raise _Refused(431)
        if len(self.pipeline) >= MOST_PIPELINED:
            raise _Refused(503)
        self._moved = True
        self._in_header = False
        self.header_since = None
        self.body_since, self._body_bytes, self._body_held = self.every_connection.clock, 0, 0
        super().on_headers_complete()
        if not self.pipeline:
            self.answering = self.cycle

    def _header_is_too_large(self) -> bool:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MOST_HEADER_BYTES

    def on_body(self, body: bytes) -> None:
        self._moved = True
        self._body_bytes += len(body)
        self._body_held = min(self._body_held + len(body), MOST_HELD_OF_A_BODY)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._moved = True
        self._has_begun = False
        self.body_since, self._body_bytes, self._body_held = None, 0, 0
        super().on_message_complete()
        if self.place is not None and not (self.cycle is None or self.cycle.response_complete):
            self.place.work()

    def on_response_complete(self) -> None:
        if self.pipeline:
            self.answering, _ = self.pipeline[-1]
        super().on_response_complete()
        if self.place is None or not self.cycle.response_complete:
            return
        state = self.cycle.scope["state"]
        if not self.place.is_member and state.get("visitor") is not None:
            self.place.prove()
        self.place.rest()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unsent_since, self._unsent_before = self.every_connection.clock, self.transport.get_write_buffer_size()
        self._weigh(self._unsent_before)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unsent_since = None
        self._weigh(0)

    def check(self) -> None:
        """End the connection if its client is too slow."""
        unsent = self.transport.get_write_buffer_size()
        if self.transport.is_closing():
            if self.closing_since is None:
                self.closing_since, self._unsent_before = self.every_connection.clock, unsent
            elif self._is_slow(self.closing_since, self._unsent_before - unsent):
                self._drop("takes_no_answer")
        elif self.refused_since is not None:
            if self.every_connection.clock - self.refused_since > LINGER_SECONDS:
                self.transport.close()
        elif self.unsent_since is not None and self._is_slow(self.unsent_since, self._unsent_before - unsent):
            self._drop("takes_no_answer")
        elif self.cycle is None or self.cycle.response_complete:
            self._check_header()
        elif self.body_since is not None:
            self._check_body()
        self._weigh(unsent)

    def _check_header(self) -> None:
        if self.header_since is None or self.every_connection.clock - self.header_since <= HEADER_SECONDS:
            return
        self.every_connection.note("slow_header")
        if self._has_begun:
            self.refuse(408)
        else:
            # Browsers open spare connections, and would take a 408 as the response to a later request.
            self.transport.close()

    def _check_body(self) -> None:
        assert self.body_since is not None
        if self.flow.read_paused:
            # The client waits for the server.
            self.body_since, self._body_bytes = self.every_connection.clock, 0
        elif self._is_slow(self.body_since, self._body_bytes):
            self.every_connection.note("slow_body")
            self.refuse(408)
        elif self.every_connection.clock - self.body_since > WINDOW_SECONDS:
            self.body_since, self._body_bytes = self.every_connection.clock, 0

    def _is_slow(self, since: float, moved: int) -> bool:
        return moved < (self.every_connection.clock - since - GRACE_SECONDS) * SLOWEST_BYTES_A_SECOND

    def _drop(self, reason: str) -> None:
        self.every_connection.note(reason)
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def make_way(self) -> None:
        """End an idle connection, because a new one needs its place."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def refuse(self, status: int) -> None:
        """Answer with an error and end the connection; a response that has begun is cut off."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started or self.pipeline:
                self.transport.abort()
                return
        self.pipeline.clear()
        self.refused_since = self.every_connection.clock
        self.every_connection.hold(self, 0)
        if not self.transport.is_closing():
            self.transport.write(self._answer(status))
            if self.transport.can_write_eof():
                self.transport.write_eof()
        self._unset_keepalive_if_required()

    def _answer(self, status: int) -> bytes:
        text = f"{EXPLANATIONS[status]}\n".encode()
        headers = [
            *date_headers(int(time())),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
            *HTTP_HEADERS,
        ]
        if status == 503:
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        lines = [STATUS_LINE[status], *(name + b": " + value + b"\r\n" for name, value in headers)]
        return b"".join([*lines, b"\r\n", text])
