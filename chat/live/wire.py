"""Frames encoded once, and the sockets they are written to.

Under uvicorn a frame goes straight to the transport of each socket: 2.3 times cheaper than Starlette's `send_text`, and
a stalled reader delays no other. The subclass depends on the internals of uvicorn 0.54.0; `tests/live/test_wire.py`
checks every part it uses.
"""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, TypeVar

from starlette.datastructures import State
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from chat.ids import Revision, RoomId, SessionId, UserId
from chat.live.backlog import BEHIND_BYTES, MOST_UNSENT_BYTES, Backlog, FrameQueue
from chat.live.source import MessageChange
from chat.serving.connections import Connection

EXTENSION = "simplechat.wire"
AnyState = TypeVar("AnyState", bound=State)

# A slow reader that takes nothing for this long is disconnected.
STALLED_SECONDS = 5.0
# A closed socket has this long to take its last bytes.
FLUSH_SECONDS = 2.0
# The bytes a page may send from one ping to the next; it need only answer the ping, in some ten bytes. asyncio hands
# over 256 kB in one go, and 43,000 empty frames in these would block the process for half a second.
MOST_RECEIVED_BYTES = 1024


def encode_frame(text: str) -> bytes:
    """Return an unmasked, uncompressed text frame (RFC 6455, 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


def frame_of_changes(changes: Iterable[MessageChange], cursor: Revision, reached: Revision) -> bytes:
    """Return a frame that takes a page from `cursor` to `reached`.

    A message posted after `cursor` is new to the page: `upsert` sorts it in by id. An older one is morphed where it is
    loaded and ignored elsewhere. live.js reads the `<chat-cursor>` element.
    """
    parts = []
    # A message with several changes in the frame is sent once, as it is now.
    latest = {change.message_id: change for change in changes}.values()
    for is_new, group in groupby(latest, lambda change: change.posted_revision > cursor):
        if is_new:
            items = "".join(change.html for change in group)
            parts.append(f'<hx-partial hx-target="#messages" hx-swap="upsert">{items}</hx-partial>')
        else:
            parts += [
                f'<hx-partial hx-target="#m-{change.message_id}" hx-swap="outerMorph">{change.html}</hx-partial>'
                for change in group
            ]
    return encode_frame(f'{"".join(parts)}<chat-cursor data-cursor="{reached}"></chat-cursor>')


# Browsers hide pings from a page; this frame tells it that its connection is alive. htmx drops it, like a cursor.
HEARTBEAT = encode_frame("<chat-alive></chat-alive>")


BACKLOG = Backlog()  # of this process


class LiveProtocol(WebSocketsSansIOProtocol):
    """uvicorn's websocket protocol, which offers itself to the application for direct writing."""

    place: Connection | None = None
    reader: "Reader | None" = None
    unsent_since: float | None = None
    on_gone: Callable[[], None] | None = None
    received = 0

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self.received += len(data)
            if self.received > MOST_RECEIVED_BYTES:
                if self.place is not None:
                    self.place.note("sends_too_much")
                self.transport.abort()
                return
        super().data_received(data)

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self
        await super().run_asgi()
        if self.on_gone is not None:
            self._forget_the_handshake()
        elif not self.disconnected:
            self._abort_in(self.close_timeout + FLUSH_SECONDS)
            if self.place is not None:
                self.place.rest()

    def stay(self, on_gone: Callable[[], None]) -> None:
        """Let the application return and keep the connection; `on_gone` is called when the connection has ended."""
        if self.disconnected:
            on_gone()
            return
        self.on_gone = on_gone
        if self.place is not None:
            self.place.prove()
        if self.close_timer is None:
            # During a closing handshake uvicorn leaves the connection alone.
            self.close_timer = self.loop.call_later(0, _nothing)

    def _forget_the_handshake(self) -> None:
        if not self.close_sent:
            self.close_timer = None
        self.queue = self.writable = NOBODY
        del self.scope, self.request, self.response

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unsent_since = self.loop.time()
        self._send_by(self._write_or_drop)
        BACKLOG.note(self.transport)
        self.loop.call_later(STALLED_SECONDS, self._drop_when_stalled, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unsent_since = None
        BACKLOG.forget(self.transport)
        self._send_by(self.transport.write)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.place is not None:
            self.place.close()
        self._send_by(_discard)
        BACKLOG.forget(self.transport)
        super().connection_lost(exc)
        if self.on_gone is not None:
            self.on_gone()

    def send_receive_event_to_app(self) -> None:
        """Ignore frames from a page; no task receives them."""
        self.frames = []

    def handle_close(self, event: Frame) -> None:
        self._send_by(_discard)
        super().handle_close(event)

    def shutdown(self) -> None:
        """Close with 1012, whatever the other side does."""
        self._send_by(_discard)
        # Called twice: by `Departure`, and when uvicorn shuts down.
        if not self.transport.is_closing():
            super().shutdown()
        self._abort_in(FLUSH_SECONDS)

    def send_keepalive_ping(self) -> None:
        super().send_keepalive_ping()
        self.received = 0
        if self.reader is not None:
            self.reader.send(HEARTBEAT)

    def keepalive_timeout(self) -> None:
        self._send_by(_discard)
        super().keepalive_timeout()
        self._abort_in(FLUSH_SECONDS)

    def dismiss(self, code: int, html: str) -> None:
        """Send a last fragment and begin the closing handshake."""
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.send_text(html.encode())
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        self._abort_in(self.close_timeout + FLUSH_SECONDS)

    def _abort_in(self, seconds: float) -> None:
        """Abort a closing connection later; `transport.close()` waits for ever for a reader that takes nothing."""
        self.loop.call_later(seconds, self.transport.abort)

    def follow(self, reader: "Reader") -> None:
        """Write the frames of `reader` to this connection from now on."""
        self.reader = reader
        self.transport.set_write_buffer_limits(BEHIND_BYTES)
        self._send_by(_discard if self.transport.is_closing() else self.transport.write)

    def _send_by(self, send: Callable[[bytes], None]) -> None:
        # A healthy reader's `send` is the transport's own `write`; a Python call around it would double the cost.
        if self.reader is not None and self.reader.farewell is None:
            self.reader.send = send

    def _write_or_drop(self, frame: bytes) -> None:
        """Write to a slow reader, or disconnect it when it has too many unsent bytes."""
        if self.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(frame)
            BACKLOG.note(self.transport)

    def _drop_when_stalled(self, unsent_before: int) -> None:
        if self.unsent_since is None or self.transport.is_closing():
            return
        unsent = self.transport.get_write_buffer_size()
        if unsent >= unsent_before and self.loop.time() - self.unsent_since >= STALLED_SECONDS:
            self.transport.abort()
        else:
            self.loop.call_later(STALLED_SECONDS, self._drop_when_stalled, unsent)


class _Nobody:
    """Stands in for a queue and an event that are no longer needed; empty ones take three kilobytes."""

    def put_nowait(self, item: object) -> None:
        pass

    def set(self) -> None:
        pass

    def clear(self) -> None:
        pass


NOBODY: Any = _Nobody()


class Reader:
    """One socket and its person. `send` never waits and never raises; `leave` closes it when the process ends."""

    __slots__ = ("_dismiss", "cursor", "farewell", "leave", "room_id", "send", "session_id", "user_id")

    def __init__(self, session_id: SessionId, user_id: UserId, room_id: RoomId | None) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.room_id = room_id
        self.cursor = Revision(0)
        self.farewell: tuple[int, str] | None = None
        self.send: Callable[[bytes], None] = _discard
        self.leave: Callable[[], None] = _nothing
        self._dismiss: Callable[[int, str], None] = _unattached

    def attach(self, protocol: LiveProtocol) -> None:
        """Write to this connection from now on."""
        protocol.follow(self)
        self.leave = protocol.shutdown
        self._dismiss = protocol.dismiss
        if self.farewell is not None:
            protocol.dismiss(*self.farewell)

    def attach_queue(self, queue: FrameQueue, close: Callable[[], None]) -> None:
        """Hand frames to a bounded queue, under other servers; `close` is called when it is full, or to leave."""

        def put(frame: bytes) -> None:
            if queue.is_full():
                close()
            else:
                queue.put_nowait(frame)

        self.leave = close
        self._dismiss = lambda _code, _html: close()
        if self.farewell is None:
            self.send = put
        else:
            close()

    def dismiss(self, code: int, html: str) -> None:
        """Send `html` as the last frame, and close with `code`."""
        if self.farewell is None:
            self.farewell = code, html
            self.send = _discard
            self._dismiss(code, html)


def wire_of(websocket: WebSocket[AnyState]) -> LiveProtocol | None:
    """Return the protocol underneath when the server is ours; None otherwise."""
    protocol = websocket.scope["extensions"].get(EXTENSION)
    return protocol if isinstance(protocol, LiveProtocol) else None


def _discard(frame: bytes) -> None:
    """Drop a frame: no connection is attached yet."""


def _unattached(code: int, html: str) -> None:
    """Do nothing: no connection is attached yet."""


def _nothing() -> None:
    """Do nothing: no callback is set yet."""
