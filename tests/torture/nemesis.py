"""The nemesis: breaks one part after another, by a seeded plan, and mends it again."""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps

import asyncpg
import httpx

from chat.database import embedded
from tests.support.brokers import Machine
from tests.support.live_client import LiveClient
from tests.support.redis_server import RedisServer
from tests.support.server import TLS, ChatServer, ServerProcess
from tests.torture.proxy import Network, Proxy
from tests.torture.statements import REFUSE_COMMITS

Fault = Callable[[], Awaitable[None]]


class Nemesis:
    """Faults of every kind. A server that died at a crash point is restarted like a killed server."""

    def __init__(
        self,
        seed: int,
        servers: list[ChatServer],
        proxies: list[Proxy],
        broker: Machine | None,
        network: Network | None,
        postgres: embedded.Server,
        database_url: str,
        readers: list[LiveClient],
    ) -> None:
        self._chance = random.Random(seed)
        self._servers, self._proxies, self._broker, self._network = servers, proxies, broker, network
        self._postgres, self._database_url, self._readers = postgres, database_url, readers
        self.faults: Counter[str] = Counter()
        self.last_was_postgres = False

    async def rage(self, until: float) -> None:
        """Break things until a moment of the loop's clock; everything is mended when this returns."""
        loop = asyncio.get_running_loop()
        kinds: list[tuple[Fault, int]] = [
            (self._kill_server, 4),
            (self._stop_server, 2),
            (self._freeze_server, 2),
            (self._restart_broker, 2),
            (self._freeze_broker, 1),
            (self._restart_postgres, 1),
            (self._terminate_database_connections, 4),
            (self._refuse_commits, 4),
            (self._abort_readers, 8),
            (self._cut_network, 4),
            (self._swallow_network, 2),
            (self._delay_network, 2),
        ]
        if self._network is not None and self._broker is not None:
            kinds += [(self._cut_broker, 2), (self._silence_broker, 1)]
            kinds += [(self._in_a_thread(fault), 1) for fault in self._broker.faults()]
        elif isinstance(self._broker, RedisServer):
            kinds.insert(5, (self._cut_redis, 4))
        faults, weights = zip(
            *(kind for kind in kinds if self._broker or "broker" not in kind[0].__name__), strict=True
        )
        while loop.time() < until:
            fault = self._chance.choices(faults, weights)[0]
            name = fault.__name__.strip("_")
            self.faults[name] += 1
            await fault()
            self.last_was_postgres = name == "restart_postgres"
            await asyncio.sleep(self._chance.uniform(0.05, 0.4))

    @contextlib.asynccontextmanager
    async def supervision(self) -> AsyncIterator[None]:
        """Start dead servers again meanwhile, as the platform they run on would."""
        is_over = asyncio.Event()
        supervisors = [asyncio.create_task(self._keep_alive(server, is_over)) for server in self._servers]
        try:
            yield
        finally:
            # Not cancelled: a thread would go on starting a server that the test has lost.
            is_over.set()
            await asyncio.gather(*supervisors)

    async def _keep_alive(self, server: ChatServer, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            await self._revive(server)
            await asyncio.sleep(0.1)

    async def revive(self) -> None:
        """Start servers that died or are about to, and wait until all serve."""
        async with httpx.AsyncClient(verify=TLS, timeout=2) as client:
            for server in self._servers:
                while not await self._is_ready(client, server):
                    await self._revive(server)
                    await asyncio.sleep(0.05)

    async def _is_ready(self, client: httpx.AsyncClient, server: ChatServer) -> bool:
        """Return whether a server serves and is not just leaving."""
        try:
            return (await client.get(f"{server.url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def _revive(self, server: ChatServer) -> None:
        if server.process is None or server.process.poll() is not None:
            self.faults["server died"] += 1
            # It may be killed again while it starts.
            with contextlib.suppress(AssertionError):
                await asyncio.to_thread(server.start)

    async def _kill_server(self) -> None:
        self._signal_server(signal.SIGKILL)

    async def _stop_server(self) -> None:
        self._signal_server(signal.SIGTERM)

    async def _freeze_server(self) -> None:
        process = self._signal_server(signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(0.3, 2))
        process.send_signal(signal.SIGCONT)

    def _signal_server(self, number: int) -> ServerProcess:
        process = self._chance.choice(self._servers).process
        assert process is not None
        process.send_signal(number)
        return process

    async def _restart_broker(self) -> None:
        assert self._broker is not None
        await asyncio.to_thread(self._broker.kill)
        await asyncio.sleep(self._chance.uniform(0, 1))
        await asyncio.to_thread(self._broker.start)

    async def _freeze_broker(self) -> None:
        assert self._broker is not None
        self._broker.pause()
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        self._broker.resume()

    async def _cut_redis(self) -> None:
        assert isinstance(self._broker, RedisServer)
        await asyncio.to_thread(self._chance.choice([self._broker.cut_publishers, self._broker.cut]))

    async def _cut_broker(self) -> None:
        assert self._network is not None
        self._network.cut()

    async def _silence_broker(self) -> None:
        assert self._network is not None
        self._network.fall_silent()
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        self._network.cut()
        self._network.speak()

    @staticmethod
    def _in_a_thread(fault: Callable[[], None]) -> Fault:
        @wraps(fault)
        async def happen() -> None:
            await asyncio.to_thread(fault)

        return happen

    async def _restart_postgres(self) -> None:
        await asyncio.to_thread(self._postgres.stop, "immediate")
        await asyncio.to_thread(self._postgres.start)

    async def _terminate_database_connections(self) -> None:
        connection = await asyncpg.connect(self._database_url)
        try:
            share = self._chance.choice([0.2, 1.0])
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < $1",
                share,
            )
        finally:
            await connection.close()

    async def _refuse_commits(self) -> None:
        connection = await asyncpg.connect(self._database_url)
        try:
            await connection.execute(REFUSE_COMMITS, self._chance.uniform(0.1, 1))
        finally:
            await connection.close()

    async def _abort_readers(self) -> None:
        for reader in self._chance.sample(self._readers, self._chance.randint(1, len(self._readers))):
            reader.abort()

    async def _cut_network(self) -> None:
        self._chance.choice(self._proxies).cut()

    async def _swallow_network(self) -> None:
        proxy = self._chance.choice(self._proxies)
        proxy.blackhole = True
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        proxy.cut()
        proxy.blackhole = False

    async def _delay_network(self) -> None:
        proxy = self._chance.choice(self._proxies)
        proxy.delay = self._chance.uniform(0.02, 0.3)
        await asyncio.sleep(self._chance.uniform(0.5, 2))
        proxy.delay = 0.0
