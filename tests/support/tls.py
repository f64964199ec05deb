"""A self-signed certificate, as platforms use them."""

import asyncio
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path


class Certificate:
    """A self-signed certificate for some names, with contexts for servers and clients."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.file, self.key = folder / "certificate.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run(
            [
                *(*command, "-days", "2", "-subj", f"/CN={names[0]}", "-keyout", str(self.key), "-out", str(self.file)),
                *("-addext", f"subjectAltName={','.join(names)}"),
            ],
            check=True,
            capture_output=True,
        )
        self.for_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.for_server.load_cert_chain(self.file, self.key)
        # The `websockets` client that blocks waits for a byte of text when it could read nothing but a ticket. When it
        # closes a connection meanwhile, it waits for ever.
        self.for_server.num_tickets = 0

    @property
    def for_client(self) -> ssl.SSLContext:
        """A context that trusts only this certificate."""
        return ssl.create_default_context(cafile=str(self.file))


class TlsServer:
    """Listens with TLS, or without if it has no certificate, on a thread of its own; `serve` takes each connection."""

    def __init__(self, certificate: Certificate | None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        context = certificate.for_server if certificate else None
        patience = 1 if certificate else None
        listening = asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=patience)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(20)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Answer a client."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it with every connection."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class TlsFront(TlsServer):
    """Ends TLS in front of a server without it."""

    def __init__(self, target: int, certificate: Certificate) -> None:
        self._target = target
        super().__init__(certificate)

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(pump(client, to_server), pump(server, to_client), return_exceptions=True)


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass bytes on until they end."""
    try:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
    finally:
        sink.close()
