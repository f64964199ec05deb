"""The broker on Kafka: a topic of one partition that every process reads from its end.

It uses aiokafka's connection rather than its consumer: that reconnects silently and goes on at an offset, which may
name another message if the topic was deleted and made again.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from uuid import uuid4

import anyio
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import CreateTopicsRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from broadcaster import Event

from chat.live.brokers.address import NAME, Address, read_address
from chat.live.brokers.incoming import CAPACITY, RESYNC
from chat.live.brokers.outgoing import Batch
from chat.live.brokers.remote import RemoteBackend
from chat.memory import MEGABYTE
from chat.urls import Host

# `Link` logs each loss and each return once.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 2.0  # for name look-up, TCP, TLS, signing in and finding the topic's leader together
CLOSE_SECONDS = 0.5
PORT = 9092
SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
TOPICS = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")  # the names that Kafka takes
TOPIC_SETTINGS = [("retention.ms", "600000"), ("cleanup.policy", "delete")]
COPIES = 3  # of the topic, if there are so many servers
# Milliseconds for which Kafka holds a fetch until there is a message. Tansu looks for one only after half of them.
FETCH_WAIT = 50
FETCH_BYTES = MEGABYTE
BATCH_BYTES = MEGABYTE // 2  # Kafka takes a megabyte unless it is told otherwise
LATEST = -1
UNKNOWN_TOPIC, NO_LEADER = 3, 5  # error codes

Records = list[tuple[str, str]]  # key, value


class _Answer(Protocol):
    """The parts of Kafka's answers that we read, as aiokafka decodes them. Each answer has some of these parts."""

    brokers: list[tuple[int, str, int]]
    controller_id: int
    topics: list[tuple[Any, ...]]
    topic_errors: list[tuple[Any, ...]]


class KafkaConnection:
    """A connection to the server that leads the topic, which it looks for at a host."""

    def __init__(self, address: Address, host: Host) -> None:
        self._address = address
        self._topic = address.name or NAME
        self._host, self._port = host
        self._connection: AIOKafkaConnection | None = None

    @property
    def host(self) -> Host:
        """The server it is connected to."""
        return self._host, self._port

    async def open(self) -> None:
        """Connect to any server, and then to the topic's leader; creates the topic if it is missing."""
        await self._connect()
        servers, controller, error, leader = await self._look_up()
        if error == UNKNOWN_TOPIC:
            await self._create(servers, servers[controller])
            servers, _, error, leader = await self._look_up()
        _check(error)
        if servers[leader] != (self._host, self._port):
            self._host, self._port = servers[leader]
            await self.close()
            await self._connect()

    async def check(self) -> None:
        """Ask whether this server still leads the topic."""
        servers, _, error, leader = await self._look_up()
        _check(error)
        if servers[leader] != (self._host, self._port):
            raise ConnectionError("another server leads the topic now")

    async def end(self) -> int:
        """Return the offset of the next record."""
        answer = await self._send(OffsetRequest(-1, 0, [(self._topic, [(0, LATEST)])]))
        _, error, _, offset = answer.topics[0][1][0]
        _check(error)
        return int(offset)

    async def produce(self, records: Records) -> None:
        """Append records, and return when the leader has them."""
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 16 * MEGABYTE)
        for number, (key, value) in enumerate(records):
            builder.append(number, None, key.encode(), value.encode(), [])
        answer = await self._send(ProduceRequest(None, 1, 10_000, [(self._topic, [(0, bytes(builder.build()))])]))
        _check(answer.topics[0][1][0][1])

    async def fetch(self, offset: int) -> tuple[list[tuple[int, bytes, bytes]], int]:
        """Wait for records from an offset on; returns offset, key and value of each, and the offset of the next."""
        wanted = [(self._topic, [(0, offset, FETCH_BYTES)])]
        answer = await self._send(FetchRequest(FETCH_WAIT, 1, FETCH_BYTES, 0, wanted))
        if not answer.topics:
            return [], offset
        _, error, end, *_, content = answer.topics[0][1][0]
        _check(error)
        return [record for record in _read(content) if record[0] >= offset], int(end)

    async def close(self) -> None:
        """Abort the connection: a frozen server would not answer a farewell."""
        if self._connection is not None:
            if self._connection._writer is not None:
                self._connection._writer.transport.abort()
            if closed := self._connection.close():
                with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                    await closed

    async def _connect(self) -> None:
        address = self._address
        self._connection = AIOKafkaConnection(
            self._host,
            self._port,
            client_id=NAME,
            request_timeout_ms=3_600_000,  # callers bound every wait themselves
            ssl_context=address.tls,
            security_protocol=("SASL_" if address.user else "") + ("SSL" if address.tls else "PLAINTEXT"),
            sasl_mechanism=address.options.get("sasl", "PLAIN") if address.user else None,
            sasl_plain_username=address.user,
            sasl_plain_password=address.password or "",
        )
        try:
            await self._connection.connect()
        except OSError:
            raise
        except (AssertionError, KeyError, ValueError) as error:
            # aiokafka drops the reason that the server gives.
            raise ConnectionError("it refuses the user or the password") from error

    async def _look_up(self) -> tuple[dict[int, tuple[str, int]], int, int, int]:
        """Return the addresses of the servers by number, the controller, and the topic's error and leader."""
        answer = await self._send(MetadataRequest([self._topic], allow_auto_topic_creation=False))
        servers = {server[0]: (server[1], server[2]) for server in answer.brokers}
        error, *_, partitions = answer.topics[0]
        error, leader = next(
            ((problem, leader) for problem, number, leader, *_ in partitions if number == 0),
            (error or UNKNOWN_TOPIC, -1),
        )
        return servers, answer.controller_id, error if error or leader in servers else NO_LEADER, leader

    async def _create(self, servers: dict[int, tuple[str, int]], controller: tuple[str, int]) -> None:
        if controller != (self._host, self._port):
            self._host, self._port = controller
            await self.close()
            await self._connect()
        copies = min(COPIES, len(servers))
        answer = await self._send(CreateTopicsRequest([(self._topic, 1, copies, [], TOPIC_SETTINGS)], 1_000, False))
        with suppress(TopicAlreadyExistsError):  # another process was faster
            _check(answer.topic_errors[0][1])

    async def _send(self, request: object) -> _Answer:
        assert self._connection is not None
        answer: _Answer = await self._connection.send(request)
        return answer


class KafkaBackend(RemoteBackend[KafkaConnection]):
    """Publishes and subscribes through Kafka."""

    server = "Kafka"
    foreseen = (KafkaError,)

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        has_tls = url.startswith("kafka+tls:")
        self._address = read_address(url, PORT, has_tls=has_tls, names=TOPICS, more={"sasl": SASL})
        if "sasl" in self._address.options and self._address.user is None:
            raise ValueError("sasl needs a user and a password")

    @asynccontextmanager
    async def _open(self, host: Host | None = None) -> AsyncIterator[KafkaConnection]:
        connection = KafkaConnection(self._address, host or self._address.next_host())
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                await connection.open()
            yield connection
        finally:
            await connection.close()

    async def _receive(self, connection: KafkaConnection) -> None:
        hearing: set[str] = set()
        came_back = asyncio.Event()
        me = f"{RESYNC} {uuid4()}"  # the key of this process's messages to itself

        async def ask(joined: set[str], left: set[str]) -> None:
            hearing.difference_update(left)
            came_back.clear()
            # Every record behind it was written after the change. It also shows that the topic still exists.
            await asking.produce([(me, "")])
            await came_back.wait()
            hearing.update(joined)

        # Kafka answers a connection's requests one after the other, and a fetch takes long.
        async with self._open(connection.host) as asking, anyio.create_task_group() as tasks:
            offset = await connection.end()
            tasks.start_soon(self._follow_in_time, ask, name="broker kafka channels")
            while True:
                records, end = await connection.fetch(offset)
                for number, key, value in records:
                    offset = number + 1
                    channel = key.decode(errors="replace")
                    if channel in hearing:
                        self._incoming.put(Event(channel, value.decode(errors="replace")))
                    elif channel == me:
                        came_back.set()
                if end - offset > CAPACITY:
                    offset = end
                    self._incoming.put(Event(RESYNC, "overflow"))

    async def _send(self, connection: KafkaConnection, batch: Batch) -> None:
        for records in _parts(batch):
            try:
                await connection.produce(records)
            except MessageSizeTooLargeError:
                for _ in records:
                    self._refused("a message is larger than the topic's max.message.bytes")
        if not batch:
            await connection.check()


def _parts(batch: Batch) -> Iterator[Records]:
    """Split a batch into parts that Kafka takes."""
    part: Records = []
    size = 0
    for channel, message in batch:
        length = len(message.encode())
        if part and size + length > BATCH_BYTES:
            yield part
            part, size = [], 0
        part.append((channel, message))
        size += length
    if part:
        yield part


def _read(content: bytes | None) -> Iterable[tuple[int, bytes, bytes]]:
    records = MemoryRecords(content or b"")
    while records.has_next():
        for record in records.next_batch():
            yield record.offset, record.key or b"", record.value or b""


def _check(error: int) -> None:
    if error:
        raise for_code(error)
