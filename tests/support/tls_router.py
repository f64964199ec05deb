"""A platform's router: it ends TLS, and connects to the chat from its own address."""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress

import httpcore
import httpx
from websockets import Origin
from websockets.sync.client import ClientConnection, connect

from tests.support.tls import Certificate, TlsServer, pump

ADDRESS = "127.0.0.2"


class TlsRouter(TlsServer):
    """Adds X-Forwarded-For, -Proto and -Port to each request as Heroku's does, and passes websockets through."""

    def __init__(self, target: int, certificate: Certificate) -> None:
        self._target, self._certificate = target, certificate
        super().__init__(certificate)

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await client.readuntil(b"\r\n\r\n")
            chat, to_chat = await asyncio.open_connection("127.0.0.1", self._target, local_addr=(ADDRESS, 0))
            to_chat.write(_with_headers(head, to_client.get_extra_info("peername")[0]))
            await asyncio.gather(pump(client, to_chat), pump(chat, to_client), return_exceptions=True)

    def transport(self) -> httpx.HTTPTransport:
        """A transport that connects every name to this router."""
        transport = httpx.HTTPTransport()
        transport.close()
        transport._pool = httpcore.ConnectionPool(
            ssl_context=self._certificate.for_client, network_backend=_Here(self.port), max_keepalive_connections=0
        )
        return transport

    def connect(self, host: str, path: str, headers: dict[str, str], origin: Origin) -> ClientConnection:
        """Open a websocket through here."""
        return connect(
            f"wss://{host}{path}",
            sock=socket.create_connection(("127.0.0.1", self.port)),
            ssl=self._certificate.for_client,
            server_hostname=host,
            origin=origin,
            additional_headers=headers,
        )


class _Here(httpcore.NetworkBackend):
    def __init__(self, port: int) -> None:
        self._port = port
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        return self._backend.connect_tcp("127.0.0.1", self._port, timeout=timeout)


def _with_headers(head: bytes, client: str) -> bytes:
    lines, _, rest = head.partition(b"\r\n\r\n")
    first, *headers = lines.split(b"\r\n")
    before = [header.partition(b":")[2].strip() for header in headers if header.lower().startswith(b"x-forwarded-for:")]
    kept = [header for header in headers if not header.lower().startswith(b"x-forwarded-")]
    if not any(header.lower().startswith(b"upgrade:") for header in kept):
        kept = [*(header for header in kept if not header.lower().startswith(b"connection:")), b"Connection: close"]
    added = [
        b"X-Forwarded-For: " + b", ".join([*before, client.encode()]),
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Port: 443",
    ]
    return b"\r\n".join([first, *kept, *added]) + b"\r\n\r\n" + rest
