"""The broker between processes: the `broadcaster` library with backends that survive lost connections.

The backends of broadcaster 0.3.1 die silently with their connection and queue without bound. Ours reconnect for ever,
and then put a `RESYNC` event into the queue, which tells listeners to compare their state with the database.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

from broadcaster import Broadcast, BroadcastBackend, Event
from broadcaster._base import Subscriber

from chat.errors import CannotRun
from chat.installed import has_extra, how_to_install
from chat.live.brokers.incoming import CAPACITY, RESYNC, Events, Incoming
from chat.live.brokers.postgres import PostgresBackend
from chat.live.brokers.remote import RemoteBackend
from chat.supervision import Failures, keep

__all__ = ["RESYNC", "Broker", "MemoryBackend", "PostgresBackend", "create_broadcast"]


class MemoryBackend(BroadcastBackend):
    """The broker of a chat with a single process."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._incoming = Incoming(capacity)
        self._channels: set[str] = set()
        self.is_connected = False
        self.server = ""  # none
        self.trouble: str | None = None  # never
        self.reconnects: Mapping[str, int] = {}  # none
        self.bytes_to_send = 0

    @property
    def dropped(self) -> int:
        """The number of messages lost since the start, because no listener took them in time."""
        return self._incoming.dropped

    @property
    def bytes_received(self) -> int:
        """The bytes of queued messages."""
        return self._incoming.bytes

    async def connect(self) -> None:
        self.is_connected = True

    async def disconnect(self) -> None:
        self.is_connected = False

    async def subscribe(self, channel: str) -> None:
        self._channels.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)

    async def publish(self, channel: str, message: str) -> None:
        if channel in self._channels and channel != RESYNC:
            self._incoming.put(Event(channel, message))

    async def next_published(self) -> Event:
        return await self._incoming.get()


class Broker(Broadcast):
    """Broadcaster's `Broadcast`, for several tasks that open and close the same channel at the same moment.

    Broadcast 0.3.1 forgets one of two first subscribers, sends nothing to a subscriber that joins while the last one
    leaves, and does not wait for its listener to end. Here subscribers are noted before anything is awaited, and a
    backend follows the latest of joins and leaves. A slow subscriber's full queue is replaced by one `RESYNC`.
    """

    def __init__(self, backend: MemoryBackend | RemoteBackend[Any], capacity: int = CAPACITY) -> None:
        super().__init__(backend=backend)
        self.backend = backend
        self._capacity = capacity
        self._dropped = 0
        self.failures = Failures()

    def report_to(self, failures: Failures) -> None:
        """Report the broker's failed tasks to `failures`."""
        self.failures = failures
        if isinstance(self.backend, RemoteBackend):
            self.backend.failures = failures

    @property
    def trouble(self) -> str | None:
        """The reason why messages arrive late, in words; None when they arrive in time."""
        return self.backend.trouble

    @property
    def name(self) -> str:
        """The name of the broker's server; "" in a chat with a single process."""
        return self.backend.server

    @property
    def dropped(self) -> int:
        """The number of messages lost here since the start."""
        return self._dropped + self.backend.dropped

    @property
    def bytes_waiting(self) -> int:
        """The bytes of messages that their subscribers have not taken yet."""
        queues = chain.from_iterable(self._subscribers.values())
        return sum(queue.bytes for queue in queues if isinstance(queue, Events))

    @property
    def is_shared(self) -> bool:
        """Tell whether other processes may be connected to the broker."""
        return isinstance(self.backend, RemoteBackend)

    def reaches_others(self, channel: str, than: int) -> bool:
        """Tell whether a message reaches anybody besides `than` own subscribers: always, if there is a server."""
        return self.is_shared or len(self._subscribers.get(channel, ())) > than

    async def connect(self) -> None:
        await super().connect()
        self._listener_task.set_name("broker listener")

    async def disconnect(self) -> None:
        self._listener_task.cancel()
        try:
            await asyncio.wait([self._listener_task])
        finally:
            await self.backend.disconnect()

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscriber]:
        queue = Events(self._capacity)
        self._subscribers.setdefault(channel, set()).add(queue)
        try:
            await self.backend.subscribe(channel)
            yield Subscriber(queue)
        finally:
            self._subscribers[channel].discard(queue)
            if not self._subscribers[channel]:
                del self._subscribers[channel]
                await self.backend.unsubscribe(channel)
            queue.put_nowait(None)

    async def _listener(self) -> None:
        await keep(self._pass_on, "broker listener", self.failures)

    async def _pass_on(self) -> None:
        while True:
            event = await self.backend.next_published()
            for queue in self._subscribers.get(event.channel, ()):
                if isinstance(queue, Events) and queue.is_full_for(event):
                    self._replace_by_resync(queue)
                queue.put_nowait(event)

    def _replace_by_resync(self, queue: asyncio.Queue[Event | None]) -> None:
        while not queue.empty():
            queue.get_nowait()
            self._dropped += 1
        for resync in self._subscribers.get(RESYNC, ()):
            if resync.empty():
                resync.put_nowait(Event(RESYNC, "overflow"))


def create_broadcast(url: str | None, capacity: int = CAPACITY) -> Broker:
    """Return the broker of a URL; for None `memory://`, in this process.

    `capacity` is the length at which a queue of messages is replaced by one `RESYNC`.
    Raises `CannotRun` when its library is not installed, and `ValueError` for a URL that makes no sense.
    """
    return Broker(_backend(url or "memory://", capacity), capacity)


def _backend(url: str, capacity: int) -> MemoryBackend | RemoteBackend[Any]:
    # Redis's import takes a fifth of the start-up time of a chat without it, and the others may not be installed.
    match url.split("://", maxsplit=1)[0]:
        case "memory":
            return MemoryBackend(capacity)
        case "postgres" | "postgresql":
            return PostgresBackend(url, capacity)
        case "nats" | "nats+tls":
            _need("nats", "NATS")
            from chat.live.brokers.nats import NatsBackend  # noqa: PLC0415

            return NatsBackend(url, capacity)
        case "amqp" | "amqps":
            _need("rabbitmq", "RabbitMQ")
            from chat.live.brokers.rabbitmq import RabbitBackend  # noqa: PLC0415

            return RabbitBackend(url, capacity)
        case "kafka" | "kafka+tls":
            _need("kafka", "Kafka")
            from chat.live.brokers.kafka import KafkaBackend  # noqa: PLC0415

            return KafkaBackend(url, capacity)
        case _:
            return _redis_backend(url, capacity)


def _redis_backend(url: str, capacity: int) -> RemoteBackend[Any]:
    match url.split("://", maxsplit=1)[0]:
        case "redis+sentinel" | "rediss+sentinel":
            from chat.live.brokers.redis_sentinel import SentinelBackend  # noqa: PLC0415

            return SentinelBackend(url, capacity)
        case "redis+cluster" | "rediss+cluster":
            from chat.live.brokers.redis_cluster import ClusterBackend  # noqa: PLC0415

            return ClusterBackend(url, capacity)
        case _:
            from chat.live.brokers.redis import RedisBackend  # noqa: PLC0415

            return RedisBackend(url, capacity)


def _need(extra: str, server: str) -> None:
    if not has_extra(extra):
        install = how_to_install(extra)
        raise CannotRun(f"BROADCAST_URL is an address of {server}, whose library is not installed. Run: {install}")
