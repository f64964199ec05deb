"""The broker on a Redis that Sentinel watches: pub/sub on the present master."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn
from urllib.parse import parse_qsl, urlencode

import anyio
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.redis import RedisBackend, opened
from chat.live.brokers.redis_hosts import redis_hosts
from chat.urls import Host

PORT = 26379
ANSWER_SECONDS = 1.0  # for one Sentinel; then the next is asked
WATCH_SECONDS = 2.0  # between two questions for the master


class SentinelBackend(RedisBackend):
    """Publishes and subscribes through the master that the Sentinels name.

    A former master may keep its connections and take messages that no process receives. So the backend asks the
    Sentinels every two seconds, and reconnects when they name another master.
    """

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        hosts, plain, self._service = redis_hosts(url, PORT)
        if not self._service or "/" in self._service:
            raise ValueError("name the service, as in redis+sentinel://host:26379/mymaster")
        address, _, query = plain.partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
        self._sentinel_password = options.pop("sentinel_password", None)
        super().__init__(f"{address}?{urlencode(options)}", capacity)
        self._sentinels = hosts

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[AbstractConnection]:
        master = await self._master()
        async with opened(self._to(master)) as connection, anyio.create_task_group() as tasks:
            await connection.send_command("ROLE")
            role = (await connection.read_response())[0]
            if role != b"master":
                raise ConnectionError(f"{master[0]}:{master[1]} is {role.decode()}, not the master")
            tasks.start_soon(self._watch, master, name="broker redis sentinel")
            yield connection

    async def _watch(self, master: Host) -> NoReturn:
        while True:
            await anyio.sleep(WATCH_SECONDS)
            try:
                present = await self._master()
            except (OSError, *self.foreseen):
                continue  # without Sentinels, the connection may still be good
            if present != master:
                raise ConnectionError(f"{present[0]}:{present[1]} is the master now")

    async def _master(self) -> Host:
        """Ask the Sentinels in turn; raises the last one's error."""
        trouble: Exception = ConnectionError("no Sentinel answers")
        for sentinel in random.sample(self._sentinels, len(self._sentinels)):
            try:
                with anyio.fail_after(ANSWER_SECONDS):
                    found = await self._ask(sentinel)
            except (OSError, *self.foreseen) as error:
                trouble = error
            else:
                if found is not None:
                    return found[0].decode(), int(found[1])
                trouble = ConnectionError(f"Sentinel knows no master of the name {self._service!r}")
        raise trouble

    async def _ask(self, sentinel: Host) -> list[bytes] | None:
        credentials = {"username": None, "password": self._sentinel_password}
        async with opened(self._to(sentinel, **credentials)) as connection:
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            found: list[bytes] | None = await connection.read_response()
        return found

    def _to(self, host: Host, **credentials: str | None) -> AbstractConnection:
        pool = ConnectionPool(**self._options | {"host": host[0], "port": host[1]} | credentials)
        connection: AbstractConnection = pool.make_connection()
        return connection
