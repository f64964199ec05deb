"""The broker on a Redis Cluster: sharded pub/sub, so that a message goes to a single node."""

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from broadcaster import Event
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.crc import key_slot
from redis.exceptions import MovedError, RedisError, ResponseError

from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.outgoing import Batch
from chat.live.brokers.redis import CONNECT_SECONDS, CONNECTION_OPTIONS, check_redis_url, opened
from chat.live.brokers.redis_hosts import redis_hosts
from chat.live.brokers.redis_replies import Replies
from chat.live.brokers.remote import RemoteBackend
from chat.urls import Host

PORT = 6379

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nodes:
    """A connection to each master, and the slots that each has."""

    connections: dict[Host, AbstractConnection]
    slots: list[tuple[range, Host]]

    def of(self, channel: str) -> AbstractConnection:
        """Return the connection to the node that has a channel."""
        slot = key_slot(channel.encode())
        for slots, node in self.slots:
            if slot in slots:
                return self.connections[node]
        raise ConnectionError(f"no node has the slot {slot}")

    def all(self) -> Iterable[AbstractConnection]:
        """Return the connections to all masters."""
        return self.connections.values()


class ClusterBackend(RemoteBackend[Nodes]):
    """Publishes and subscribes through all nodes of a Redis Cluster. When a node is lost, it reconnects to all."""

    server = "Redis Cluster"
    foreseen = (RedisError,)
    on_distrust = "if that is expected, as on Heroku, set REDIS_TLS_VERIFY=no"

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        self._hosts, plain, name = redis_hosts(url, PORT)
        if name not in ("", "0"):
            raise ValueError(f"a Redis Cluster has no database {name!r}")
        check_redis_url(plain)
        self._options: dict[str, Any] = {**parse_url(plain), **CONNECTION_OPTIONS}

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Nodes]:
        async with AsyncExitStack() as stack:
            with anyio.fail_after(2 * CONNECT_SECONDS):
                slots = await self._slots()
                masters = {node for _, node in slots}
                connections = {node: await stack.enter_async_context(opened(self._to(node))) for node in masters}
            yield Nodes(connections, slots)

    async def _slots(self) -> list[tuple[range, Host]]:
        """Ask the servers in turn which node has which slots; raises the last one's error."""
        trouble: Exception = ConnectionError("no server answers")
        for host in random.sample(self._hosts, len(self._hosts)):
            try:
                async with opened(self._to(host)) as connection:
                    await connection.send_command("CLUSTER", "SLOTS")
                    found = await connection.read_response()
            except (OSError, RedisError) as error:
                trouble = error
            else:
                if found:
                    return [
                        (range(first, last + 1), (master[0].decode() if master[0] else host[0], master[1]))
                        for first, last, master, *_ in found
                    ]
                trouble = ConnectionError("the cluster has no slots yet")
        raise trouble

    def _to(self, host: Host) -> AbstractConnection:
        connection: AbstractConnection = ConnectionPool(
            **self._options | {"host": host[0], "port": host[1]}
        ).make_connection()
        return connection

    async def _receive(self, nodes: Nodes) -> None:
        answers = {connection: asyncio.Event() for connection in nodes.all()}
        wanted: set[str] = set()

        async def ask(joined: set[str], left: set[str]) -> None:
            commands: dict[AbstractConnection, list[Command]] = defaultdict(list)
            wanted.difference_update(left)
            wanted.update(joined)
            # One channel a command, because those of one command must share a slot.
            for word, channels in (("SUNSUBSCRIBE", left), ("SSUBSCRIBE", joined)):
                for channel in channels:
                    commands[nodes.of(channel)].append((word, channel))
            for connection, answered in answers.items():
                answered.clear()
                # Answers come in order, so that to PING confirms all before it.
                words = [*commands[connection], ("PING",)]
                await connection.send_packed_command(connection.pack_commands(words))
            for answered in answers.values():
                await answered.wait()

        def take(connection: AbstractConnection, reply: object) -> None:
            match reply:
                case [b"smessage", bytes(channel), bytes(message)]:
                    self._incoming.put(Event(channel.decode(), message.decode(errors="replace")))
                case [b"pong", _] | b"PONG":
                    answers[connection].set()
                case [b"sunsubscribe", bytes(channel), _] if channel.decode() in wanted:
                    raise ConnectionError("a slot has moved to another node")

        replies = [Replies(connection, partial(take, connection)) for connection in answers]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow, ask, name="broker redis cluster channels")
            for each in replies:
                tasks.start_soon(each.until_lost, name="broker redis cluster node")

    async def _send(self, nodes: Nodes, batch: Batch) -> None:
        commands: dict[AbstractConnection, list[Command]] = defaultdict(list)
        for channel, message in batch:
            commands[nodes.of(channel)].append(("SPUBLISH", channel, message))
        if not batch:
            commands = {connection: [("PING",)] for connection in nodes.all()}
        for connection, words in commands.items():
            await connection.send_packed_command(connection.pack_commands(words))
        for connection, words in commands.items():
            for _ in words:
                try:
                    await connection.read_response(timeout=math.inf)
                except MovedError:
                    raise
                except ResponseError as refusal:
                    self._refused(str(refusal))
