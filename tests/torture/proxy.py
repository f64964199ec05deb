"""A TCP proxy that misbehaves like a network: it delays, swallows, or cuts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.brokers import Machine


class Proxy:
    """Forwards a port to another. `delay` in seconds; a `blackhole` takes bytes and passes none on."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self.port = 0
        self.delay = 0.0
        self.blackhole = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen on a port of its own."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything and listen no more."""
        self._server.close()
        # A connection that was accepted a moment ago becomes a writer only in the loop's next rounds.
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            while self._writers:
                self.cut()
                await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Abort every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def fall_silent(self) -> None:
        """Silently stop forwarding for current connections, as when a laptop changes networks."""
        self._silent = set(self._writers)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            other, upstream = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(upstream)
            done, pending = await asyncio.wait(
                [asyncio.ensure_future(self._pump(reader, upstream)), asyncio.ensure_future(self._pump(other, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in pending:
                task.cancel()
            await asyncio.gather(*done, *pending, return_exceptions=True)
        except OSError:
            pass
        finally:
            for each in (writer, upstream):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                while (self.blackhole or writer in self._silent) and not writer.transport.is_closing():
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()


class Network:
    """The network between a broker and its clients."""

    def __init__(self, url: str, proxies: list[Proxy]) -> None:
        self.url = url
        self._proxies = proxies

    def cut(self) -> None:
        """Abort every connection."""
        for proxy in self._proxies:
            proxy.cut()

    def fall_silent(self) -> None:
        """Take bytes and pass none on, on present connections for ever and on others until `speak`."""
        for proxy in self._proxies:
            proxy.fall_silent()
            proxy.blackhole = True

    def speak(self) -> None:
        """Pass on what new connections send."""
        for proxy in self._proxies:
            proxy.blackhole = False


@contextlib.asynccontextmanager
async def network_before(machine: Machine) -> AsyncIterator[Network]:
    """Lead a broker's clients through a network that can be cut. Nothing leads them back."""
    proxies = [Proxy(port) for port in machine.ports]
    for proxy in proxies:
        await proxy.start()
    try:
        yield Network(await asyncio.to_thread(machine.lead_through, [proxy.port for proxy in proxies]), proxies)
    finally:
        for proxy in proxies:
            await proxy.stop()
