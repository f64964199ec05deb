"""A websocket reader light enough for hundreds in a process: it looks for stamps and can stop reading."""

import asyncio
import re
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

STAMP = re.compile(rb"stamp-(\d+)-")


class RawReader(asyncio.Protocol):
    """Follows a room page's socket. `arrived` is called with the number in each `stamp-7-` that comes."""

    def __init__(self, arrived: Callable[[int], None]) -> None:
        self._arrived = arrived
        self._rest = b""
        self.is_open = False
        self.opened = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport

    @classmethod
    async def open(cls, server: str, path: str, cookie: str, arrived: Callable[[int], None]) -> "RawReader":
        """Connect to a page's socket and wait until it is accepted."""
        loop = asyncio.get_running_loop()
        address = urlsplit(server)
        # Keep the kernel's buffers small: this measures the server's own.
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        plug.setblocking(False)
        await loop.sock_connect(plug, (address.hostname, address.port))
        transport, reader = await loop.create_connection(lambda: cls(arrived), sock=plug)
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nOrigin: {server}\r\nCookie: {cookie}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        transport.write(request.encode())
        await asyncio.wait_for(reader.opened, 30)
        return reader

    def stall(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def close(self) -> None:
        """Close the connection without a closing handshake."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.is_open = data.startswith(b"HTTP/1.1 101")
            self.opened.set_result(None)
            return
        # uvicorn pings with four bytes and drops a client that sends no pong.
        ping = data.find(b"\x89\x04")
        if ping >= 0 and len(data) >= ping + 6:
            self._transport.write(b"\x8a\x84\0\0\0\0" + data[ping + 2 : ping + 6])
        for found in STAMP.finditer(self._rest + data):
            self._arrived(int(found[1]))
        # A stamp may be cut in two; a whole stamp must not be found again.
        self._rest = (self._rest + data)[-16:]
        whole = list(STAMP.finditer(self._rest))
        if whole:
            self._rest = self._rest[whole[-1].end() :]

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("lost before it was accepted"))
