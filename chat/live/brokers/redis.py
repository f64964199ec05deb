"""The broker on Redis: pub/sub.

It uses redis-py's `Connection` rather than its `Redis` or `PubSub`: those reconnect silently, and here a lost
connection must lead to a comparison with the database.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
from broadcaster import Event
from redis.asyncio.connection import AbstractConnection, ConnectionPool, SSLConnection, parse_url
from redis.exceptions import RedisError, ResponseError

from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.outgoing import Batch
from chat.live.brokers.redis_replies import Replies
from chat.live.brokers.remote import RemoteBackend
from chat.urls import hosts_of, split_url

PORT = 6379
CONNECT_SECONDS = 2.0  # for name look-up, TCP, TLS, authentication and a PING together

CONNECTION_OPTIONS = {
    # With RESP2, answers and messages come in the order they were sent, as plain lists.
    "protocol": 2,
    "decode_responses": False,
    "driver_info": None,
    "health_check_interval": 0,
    # Callers bound every wait themselves. redis-py's own timeout starts a task for each send.
    "socket_timeout": None,
    "socket_connect_timeout": CONNECT_SECONDS,
}


def check_redis_url(url: str) -> None:
    """Raise `ValueError` if an address of one server makes no sense."""
    parts = split_url(url)
    if parts.netloc.rpartition("@")[2] and len(hosts_of(parts.netloc, PORT)) > 1:
        raise ValueError("it names several servers, as only redis+sentinel:// and redis+cluster:// may")
    if not re.fullmatch(r"/?\d*/?", parts.path):
        raise ValueError(f"a database of Redis is a number, not {parts.path.strip('/')!r}")
    # Otherwise a wrong option would be found only later, in the background.
    try:
        connection = ConnectionPool(**parse_url(url)).make_connection()
        if isinstance(connection, SSLConnection):
            connection.ssl_context.get()
    except TypeError as error:
        name = str(error).rpartition("argument ")[2]
        encrypted = " (rediss:// has encryption, redis:// has none)" if "ssl_" in name else ""
        raise ValueError(f"unknown option {name}{encrypted}") from None
    except (RedisError, OSError) as error:
        raise ValueError(f"its options for TLS cannot be used: {error}") from None


@asynccontextmanager
async def opened(connection: AbstractConnection) -> AsyncIterator[AbstractConnection]:
    """Connect to a Redis that answers; closes the connection in the end."""
    try:
        with anyio.fail_after(CONNECT_SECONDS):
            await connection.connect()
            # The kernel accepts connections for a frozen Redis, too; only an answer shows that it is there.
            await connection.send_command("PING")
            await connection.read_response()
        yield connection
    finally:
        # A frozen Redis would not answer the closing handshake.
        await connection.disconnect(nowait=True)


class RedisBackend(RemoteBackend[AbstractConnection]):
    """Publishes and subscribes through Redis."""

    server = "Redis"
    foreseen = (RedisError,)
    on_distrust = "if that is expected, as on Heroku, set REDIS_TLS_VERIFY=no"

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        check_redis_url(url)
        self._options: dict[str, Any] = {**parse_url(url), **CONNECTION_OPTIONS}
        self._pool = ConnectionPool(**self._options)

    def _open(self) -> AbstractAsyncContextManager[AbstractConnection]:
        return opened(self._pool.make_connection())

    async def _receive(self, connection: AbstractConnection) -> None:
        answered = asyncio.Event()

        def take(reply: object) -> None:
            match reply:
                case [b"message", bytes(channel), bytes(message)]:
                    self._incoming.put(Event(channel.decode(), message.decode(errors="replace")))
                case [b"pong", _] | b"PONG":
                    answered.set()

        async def ask(joined: set[str], left: set[str]) -> None:
            answered.clear()
            if left:
                await connection.send_command("UNSUBSCRIBE", *left)
            if joined:
                await connection.send_command("SUBSCRIBE", *joined)
            # Answers come in order, so this one confirms all before it.
            await connection.send_command("PING")
            await answered.wait()

        replies = Replies(connection, take)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow, ask, name="broker redis channels")
            await replies.until_lost()

    async def _send(self, connection: AbstractConnection, batch: Batch) -> None:
        commands: list[tuple[str, ...]]
        commands = [("PUBLISH", channel, message) for channel, message in batch] or [("PING",)]
        await connection.send_packed_command(connection.pack_commands(commands))
        for _ in commands:
            try:
                await connection.read_response(timeout=math.inf)
            except ResponseError as refusal:
                self._refused(str(refusal))
