"""Connections to servers that nobody trusts: to checked addresses, and read in small pieces, up to a limit.

The library parses each line of HTTP in Python. From pieces of 64 kB it made 10,000 chunks of one byte without a pause,
which stopped the process for two seconds.
"""

import ssl
from collections.abc import Iterable

import anyio.lowlevel
import httpcore

from chat.fetching.guard import Guard, NotFetched
from chat.memory import KILOBYTE

PIECE_BYTES = 4 * KILOBYTE
MOST_HEADER_BYTES = 64 * KILOBYTE  # of an answer and of those with status 1xx before it


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that a guard has checked. TLS still expects the certificate of the name.

    `left` is how many bytes it reads: enough for the headers after each connection, until its user adds more.
    """

    def __init__(self, guard: Guard) -> None:
        self.left = 0
        self._guard = guard
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host; raises `Refused`."""
        addresses = await self._guard.addresses_of(host, port)
        self.left = MOST_HEADER_BYTES
        for place, address in enumerate(addresses):
            try:
                stream = await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
                return _Stream(stream, self)
            except httpcore.ConnectError:
                if place == len(addresses) - 1:
                    raise
        raise AssertionError("a guard returns addresses, or raises an error")


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that lets other work run between two pieces; raises `NotFetched` when it sends too much."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, backend: GuardedBackend) -> None:
        self._stream, self._backend = stream, backend

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # TLS gives what it has decrypted without a pause.
        await anyio.lowlevel.checkpoint()
        piece = await self._stream.read(min(max_bytes, PIECE_BYTES), timeout)
        self._backend.left -= len(piece)
        if self._backend.left < 0:
            raise NotFetched("it sends too much")
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._backend)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
