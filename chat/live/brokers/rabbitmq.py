"""The broker on RabbitMQ: an exchange for all, a queue for each process, and a binding for each channel.

It uses aiormq rather than aio-pika, which stands on it: aio-pika's robust connections reconnect silently, and here a
lost connection must lead to a comparison with the database.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiormq
import anyio
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from aiormq.exceptions import AMQPError, InvalidFrameError
from broadcaster import Event
from yarl import URL

from chat.live.brokers.address import NAME, read_address
from chat.live.brokers.incoming import CAPACITY, MOST_QUEUED_BYTES, RESYNC
from chat.live.brokers.outgoing import Batch
from chat.live.brokers.remote import RemoteBackend

# `Link` logs each loss and each return once.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 2.0  # for name look-up, TCP, TLS and authentication together
CLOSE_SECONDS = 0.5
PORT, TLS_PORT = 5672, 5671
EXCHANGE = NAME
LONGEST_CHANNEL = 255  # bytes of a routing key


class _Transport(TCPTransportFactory):
    """Opens a socket, and can abort it: a frozen server would not answer a farewell."""

    def __init__(self, *, is_encrypted: bool) -> None:
        self._factory = TLSTransportFactory() if is_encrypted else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **options: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._factory.create(url, **options)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class RabbitBackend(RemoteBackend[Channel]):
    """Publishes and subscribes through RabbitMQ."""

    server = "RabbitMQ"
    foreseen = (AMQPError,)

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        is_encrypted = url.startswith("amqps:")
        self._address = read_address(url, TLS_PORT if is_encrypted else PORT, has_tls=is_encrypted)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Channel]:
        transport = _Transport(is_encrypted=self._address.tls is not None)
        connection = aiormq.Connection(self._url(), context=self._address.tls, transport_factory=transport)
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                await self._connect(connection)
                channel = await connection.channel(publisher_confirms=False)
                assert isinstance(channel, Channel)
                await channel.exchange_declare(EXCHANGE, exchange_type="direct")
            yield channel
        finally:
            transport.abort()
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await connection.close()

    async def _connect(self, connection: aiormq.Connection) -> None:
        try:
            await connection.connect()
        except InvalidFrameError as error:
            # aiormq drops the reason that RabbitMQ gives.
            raise ConnectionError(f"it refuses the virtual host {self._address.name or '/'!r}") from error

    def _url(self) -> URL:
        host, port = self._address.next_host()
        return URL.build(
            scheme="amqps" if self._address.tls else "amqp",
            user=self._address.user or "guest",
            password=self._address.password or "guest",
            host=host,
            port=port,
            path=f"/{self._address.name or '/'}",
            query={"name": NAME},
        )

    async def _receive(self, channel: Channel) -> None:
        inbox = await _Inbox.open(channel, self._hear)

        async def ask(joined: set[str], left: set[str]) -> None:
            await inbox.bind(joined, left)
            if await inbox.has_overflowed():
                self._incoming.put(Event(RESYNC, "overflow"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow_in_time, ask, name="broker rabbitmq channels")
            await asyncio.wait([channel.closing, channel.connection.closing], return_when=asyncio.FIRST_COMPLETED)
            raise _reason(channel)

    async def _send(self, channel: Channel, batch: Batch) -> None:
        for name, message in batch:
            if len(name.encode()) > LONGEST_CHANNEL:
                self._refused(f"the name of a channel has more than {LONGEST_CHANNEL} bytes")
            else:
                await channel.basic_publish(message.encode(), exchange=EXCHANGE, routing_key=name, wait=False)
        # RabbitMQ takes a channel's requests in order, so the answer to this one confirms all before it.
        await channel.exchange_declare(EXCHANGE, passive=True)

    def _hear(self, channel: str, body: bytes) -> None:
        self._incoming.put(Event(channel, body.decode(errors="replace")))


class _Inbox:
    """A process's queue. RabbitMQ moves overflow into a second queue of one place, whose message tells of the loss."""

    def __init__(self, channel: Channel, hear: Callable[[str, bytes], None]) -> None:
        self._channel, self._hear = channel, hear
        self._queue = self._overflow = ""
        self._came_back = asyncio.Event()

    @classmethod
    async def open(cls, channel: Channel, hear: Callable[[str, bytes], None]) -> "_Inbox":
        """Declare the queues, which RabbitMQ deletes with the connection."""
        inbox = cls(channel, hear)
        inbox._overflow = await _declare(channel, {"x-max-length": 1})
        inbox._queue = await _declare(
            channel,
            {
                "x-max-length": CAPACITY,
                "x-max-length-bytes": MOST_QUEUED_BYTES,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": inbox._overflow,
            },
        )
        await channel.queue_bind(inbox._queue, EXCHANGE, inbox._queue)
        await channel.basic_consume(inbox._queue, inbox._take, no_ack=True)
        return inbox

    async def bind(self, joined: set[str], left: set[str]) -> None:
        """Change the bindings, and return when a message has come back through the exchange and the queue.

        So RabbitMQ has made the changes, and nobody has deleted the exchange or the queue.
        """
        self._came_back.clear()
        for name in left:
            await self._channel.queue_unbind(self._queue, EXCHANGE, name)
        for name in joined:
            await self._channel.queue_bind(self._queue, EXCHANGE, name, nowait=True)
        await self._channel.basic_publish(b"", exchange=EXCHANGE, routing_key=self._queue, wait=False)
        await self._came_back.wait()

    async def has_overflowed(self) -> bool:
        """Tell whether the queue lost messages since the last call."""
        declared = await self._channel.queue_declare(self._overflow, passive=True)
        if not declared.message_count:
            return False
        await self._channel.queue_purge(self._overflow)
        return True

    async def _take(self, message: DeliveredMessage) -> None:
        # It must not wait, because aiormq starts a task for each message.
        name = str(message.routing_key)
        if name == self._queue:
            self._came_back.set()
        else:
            self._hear(name, message.body)


async def _declare(channel: Channel, arguments: dict[str, int | str]) -> str:
    declared = await channel.queue_declare(exclusive=True, auto_delete=True, arguments={**arguments})
    return str(declared.queue)


def _reason(channel: Channel) -> Exception:
    for closing in (channel.connection.closing, channel.closing):
        if closing.done() and isinstance(error := closing.exception(), Exception):
            return error
    return ConnectionError("the connection was lost")
