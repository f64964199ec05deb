"""Connections of the load: as light as Python allows, and the same for every server."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Self

STAMP = re.compile(rb"stamp-(\d{8})")
STAMP_BYTES = 14
PATIENCE = 120.0  # seconds; hundreds who enter a room at once may wait for long
# Tells whether what was heard since a question holds its answer; only what follows a place is new.
Done = Callable[[bytearray, int], bool]


class Crowd:
    """Readers of a room: counts what they receive, and tells when a stamp has reached all of them."""

    def __init__(self, size: int) -> None:
        self.bytes = 0
        self._size = size
        self._left: dict[int, int] = {}
        self._reached: dict[int, asyncio.Future[float]] = {}

    def reached(self, stamp: int) -> "asyncio.Future[float]":
        """Return the moment (`time.perf_counter`) at which a stamp, which is still to be sent, reaches the last."""
        self._left[stamp], self._reached[stamp] = self._size, asyncio.get_running_loop().create_future()
        return self._reached[stamp]

    def saw(self, stamp: int) -> None:
        """Count a reader that has got a stamp."""
        left = self._left.get(stamp, 0) - 1
        self._left[stamp] = left
        if left == 0:
            self._reached[stamp].set_result(time.perf_counter())


class Wire(asyncio.Protocol):
    """A connection on which one question at a time is asked, and whose stamps are counted for a crowd."""

    def __init__(self) -> None:
        self.crowd: Crowd | None = None
        self._transport: asyncio.Transport | None = None
        self._heard = bytearray()
        self._done: Done | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._newest_stamp, self._rest = 0, b""

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a port of this machine."""
        loop = asyncio.get_running_loop()
        wire: Self
        _, wire = await loop.create_connection(cls, "127.0.0.1", port)
        return wire

    async def ask(self, question: bytes, done: Done) -> bytes:
        """Send something and return everything heard until `done`."""
        self._heard.clear()
        self._done, self._answer = done, asyncio.get_running_loop().create_future()
        self.say(question)
        async with asyncio.timeout(PATIENCE):
            return await self._answer

    def say(self, text: bytes) -> None:
        """Send something that is not answered."""
        assert self._transport is not None
        self._transport.write(text)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports inherit from no class of asyncio

    def data_received(self, data: bytes) -> None:
        if self._done is not None:
            start = len(self._heard)
            self._heard += data
            if self._done(self._heard, start):
                self._done = None
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(bytes(self._heard))
        if self.crowd is not None:
            self._count_stamps(self.crowd, data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"closed after {bytes(self._heard[-300:])!r}"))

    def _count_stamps(self, crowd: Crowd, data: bytes) -> None:
        crowd.bytes += len(data)
        # A stamp may be cut in two, and be in a message more than once.
        data = self._rest + data
        self._rest = data[-STAMP_BYTES:]
        for digits in STAMP.findall(data):
            stamp = int(digits)
            if stamp > self._newest_stamp:
                self._newest_stamp = stamp
                crowd.saw(stamp)


def shows(mark: bytes) -> Done:
    """Return a test that waits for a text."""
    return lambda heard, start: heard.find(mark, max(0, start - len(mark))) >= 0


def is_answered(heard: bytearray, _start: int) -> bool:
    """Tell whether an HTTP answer is complete: by its Content-Length, or by its last chunk."""
    head = heard.find(b"\r\n\r\n")
    if head < 0:
        return False
    length = re.search(rb"content-length: (\d+)", heard[:head], re.IGNORECASE)
    return len(heard) >= head + 4 + int(length[1]) if length else heard.endswith(b"\r\n0\r\n\r\n")


class WebsocketWire(Wire):
    """A wire that answers a server's pings (RFC 6455, 5.5) once it is open."""

    def __init__(self) -> None:
        super().__init__()
        self._is_open = False
        self._frames = b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_open:
            _head, found, data = data.partition(b"\r\n\r\n")
            self._is_open = bool(found)
        self._frames += data
        at = 0
        while frame := self._frame_at(at):
            if frame[0] & 15 == 9:
                # A ping has at most 125 bytes; the answer is masked with zeros.
                self.say(bytes([0x8A, 0x80 | frame[1]]) + bytes(4) + frame[2:])
            at += len(frame)
        self._frames = self._frames[at:]

    def _frame_at(self, at: int) -> bytes:
        """Return the frame that begins at a place, and nothing while it is incomplete."""
        header = self._frames[at : at + 10]
        if len(header) < 2:
            return b""
        more = {126: 2, 127: 8}.get(header[1] & 127, 0)
        length = int.from_bytes(header[2 : 2 + more]) if more else header[1] & 127
        end = at + 2 + more + length
        return self._frames[at:end] if len(header) >= 2 + more and len(self._frames) >= end else b""


def masked(payload: bytes) -> bytes:
    """Return a client's text frame (RFC 6455, 5.2), masked with zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2)
    return b"\x81" + length + bytes(4) + payload
