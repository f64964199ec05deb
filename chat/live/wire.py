"""The wire: writes frames straight to the transports of sockets.

This is 2.3 times cheaper than Starlette's `send_text`, and a stalled reader delays no other. The class depends on the
internals of uvicorn 0.54.0; `tests/live/test_wire.py` checks every part it uses.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from starlette.datastructures import State
from starlette.websockets import WebSocket
from websockets.frames import Frame
from websockets.utils import apply_mask

from chat.live.backlog import BEHIND_BYTES, MOST_UNSENT_BYTES, Backlog
from chat.live.pulse import Pulse, Turn
from chat.live.reader import Reader, discard, transmit_nothing
from chat.serving.connections import Connection
from chat.serving.upgraded import UNUSED, UpgradedProtocol

EXTENSION = "simplechat.wire"
AnyState = TypeVar("AnyState", bound=State)

# A slow reader that takes nothing for this long is disconnected.
STALLED_SECONDS = 5.0
# A closed socket has this long to take its last bytes.
FLUSH_SECONDS = 2.0
# The bytes a page may send from one ping to the next: its answer takes ten, and a switch to another room about eighty.
# asyncio hands over 256 kB in one go, and 43,000 empty frames in these would block the process for half a second.
MOST_RECEIVED_BYTES = 4096

BACKLOG, PULSE = Backlog(), Pulse()  # of this process


class LiveProtocol(UpgradedProtocol):
    """A websocket that offers itself to the application for direct writing."""

    place: Connection | None = None
    reader: Reader | None = None
    unsent_since: float | None = None
    on_gone: Callable[[], None] | None = None
    on_text: Callable[[bytes], asyncio.Future[bool] | None] = discard
    received = 0
    turn: Turn | None = None
    is_between_frames = True
    own_socket: socket.socket | None = None

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self.received += len(data)
            if self.received > MOST_RECEIVED_BYTES:
                if self.place is not None:
                    self.place.note("sends_too_much")
                self.transport.abort()
                return
            if self.is_between_frames and not self.frames and not self.close_sent:
                # The parser takes six times as long for these two, which are nearly all that a page sends.
                if is_pong(data, self.pending_ping_payload):
                    self.pending_ping_payload = None
                    return
                if (text := text_in(data)) is not None:
                    self._hear(text)
                    return
            self.is_between_frames &= holds_whole_frames(data)
        super().data_received(data)

    async def run_asgi(self) -> None:
        """Offer this protocol to the application, and keep the connection after its return if it called `stay`."""
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
            # uvicorn keeps a connection open after the application has returned only while a close timer is set.
            self.close_timer = UNUSED

    def _forget_the_handshake(self) -> None:
        if not self.close_sent:
            self.close_timer = None
        del self.scope

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
        self._send_by(discard)
        if self.own_socket is not None:
            # The loop closes it after this.
            self.own_socket.detach()
        BACKLOG.forget(self.transport)
        super().connection_lost(exc)
        if self.on_gone is not None:
            self.on_gone()

    def send_receive_event_to_app(self) -> None:
        """Hand over a frame from a page; no task receives it."""
        data, self.frames = b"".join(self.frames), []
        if not self.close_sent:
            self._hear(data)

    def _hear(self, text: bytes) -> None:
        post = self.on_text(text)
        if post is not None:
            # With what is around it, as a page sends it: in one frame.
            post.add_done_callback(partial(self._forgive, len(text) + (6 if len(text) < 126 else 8)))

    def _forgive(self, size: int, post: asyncio.Future[bool]) -> None:
        if not post.cancelled() and post.result():
            self.received -= size

    def handle_close(self, event: Frame) -> None:
        self._send_by(discard)
        super().handle_close(event)

    def shutdown(self) -> None:
        """Close with 1012, whatever the other side does."""
        self._send_by(discard)
        # Called twice: by `Departure`, and when uvicorn shuts down.
        if not self.transport.is_closing():
            super().shutdown()
        self._abort_in(FLUSH_SECONDS)

    def start_keepalive(self) -> None:
        self.turn = PULSE.join(self)

    def stop_keepalive(self) -> None:
        if self.turn is not None:
            self.turn.pop(self, None)
        self.pending_ping_payload = None

    def ping(self, payload: bytes, frames: bytes) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.received = 0
        self.pending_ping_payload = payload
        self._write_directly_again()
        (self.transport.write if self.reader is None else self.reader.send)(frames)

    def end_if_silent(self) -> None:
        if self.pending_ping_payload is not None:
            self.keepalive_timeout()

    def keepalive_timeout(self) -> None:
        self._send_by(discard)
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

    def follow(self, reader: Reader, on_text: Callable[[bytes], asyncio.Future[bool] | None]) -> None:
        """Write the frames of `reader` to this connection from now on; `on_text` gets the frames of its page.

        It returns a future for a frame that has limits of its own, which tells whether it keeps them.
        """
        self.reader = reader
        self.on_text = on_text
        self.transport.set_write_buffer_limits(BEHIND_BYTES)
        self._send_by(discard if self.transport.is_closing() else self.transport.write)
        self._write_directly_again()
        reader.attach(leave=self.shutdown, dismiss=self.dismiss)

    def _send_by(self, send: Callable[[bytes], None], transmit: Callable[[bytes], int] = transmit_nothing) -> None:
        if self.reader is not None and self.reader.farewell is None:
            self.reader.send = send
            self.reader.transmit = transmit

    def _write_directly_again(self) -> None:
        """Write to the socket itself, unless the transport has something to write before, or encrypts.

        By `send`, because `os.write` to a socket costs the kernel a tenth more.
        """
        if self.reader is None or self.reader.send != self.transport.write or self.transport.is_closing():
            return
        if not self.transport.get_write_buffer_size() and self.transport.get_extra_info("sslcontext") is None:
            if self.own_socket is None:
                theirs = self.transport.get_extra_info("socket")
                self.own_socket = socket.socket(theirs.family, theirs.type, theirs.proto, theirs.fileno())
            self._send_by(self._write_directly, self.own_socket.send)

    def _write_directly(self, frame: bytes) -> None:
        """Write a frame to the socket, and leave to the transport what does not fit, or fails, and what comes next."""
        assert self.reader is not None
        try:
            sent = self.reader.transmit(frame)
        except OSError:
            sent = 0
        if sent < len(frame):
            self._send_by(self.transport.write)
            self.transport.write(frame[sent:])

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


def is_pong(data: bytes, payload: bytes | None) -> bool:
    """Tell whether a client sent nothing but a pong with a payload of four bytes (RFC 6455, 5.3)."""
    if payload is None or len(data) != 10 or data[:2] != b"\x8a\x84":
        return False
    return int.from_bytes(data[2:6]) ^ int.from_bytes(data[6:]) == int.from_bytes(payload)


def text_in(data: bytes) -> bytes | None:
    """Return the text of a client that sent nothing but one whole, uncompressed text frame (RFC 6455, 5.2)."""
    if len(data) < 8 or data[0] != 0x81 or not data[1] & 128:
        return None
    length, start = data[1] & 127, 6
    if length > 125:
        # A page's frame has less than 64 kB.
        length, start = int.from_bytes(data[2:4]) if length == 126 else -1, 8
    return apply_mask(data[start:], data[start - 4 : start]) if len(data) == start + length else None


def holds_whole_frames(data: bytes) -> bool:
    """Tell whether a client's frames end where the data ends; no frame of a page has 64 kB."""
    at = 0
    while at + 2 <= len(data) and (length := data[at + 1] & 127) < 127:
        if length == 126:
            length = 2 + int.from_bytes(data[at + 2 : at + 4])
        at += 6 + length
    return at == len(data)


def wire_of(websocket: WebSocket[AnyState]) -> LiveProtocol | None:
    """Return the protocol underneath when the server is ours; None otherwise."""
    protocol = websocket.scope["extensions"].get(EXTENSION)
    return protocol if isinstance(protocol, LiveProtocol) else None
