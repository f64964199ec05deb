"""A connection to Redis that is made anew whenever it is lost.

Made of redis-py's `Connection` rather than its `Redis` or `PubSub`: those reconnect by themselves and tell nobody, and
here a lost connection must be answered with a look at the database.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, NoReturn

import anyio
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.exceptions import RedisError

logger = logging.getLogger("chat.live.broker")

CONNECT_SECONDS = 2.0  # for name look-up, TCP, TLS, authentication and a PING together
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts
STEADY_SECONDS = 5.0  # a connection that held this long was not flapping

CONNECTION_OPTIONS = {
    # RESP2: answers and messages come in the order they were sent, as plain lists, with and without channels.
    "protocol": 2,
    "decode_responses": False,
    "driver_info": None,
    "health_check_interval": 0,
    # Every wait is bounded by its user. redis-py's own timeout starts a task for each send.
    "socket_timeout": None,
    "socket_connect_timeout": CONNECT_SECONDS,
}


class RedisLink:
    """A connection that is made anew whenever it is lost. Each new one is given to `use`, which ends by raising."""

    def __init__(self, url: str, purpose: str, use: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        options: dict[str, Any] = {**parse_url(url), **CONNECTION_OPTIONS}
        self._pool = ConnectionPool(**options)
        self._pool.make_connection()  # a wrong option shows here, and not in the background
        self._purpose = purpose
        self._use = use
        self._up_since: float | None = None
        self.is_away = False  # known by a failure: neither at the start nor before the loss is noticed

    @property
    def is_up(self) -> bool:
        return self._up_since is not None

    def up(self) -> None:
        """Say that the connection serves its purpose."""
        self._up_since = monotonic()
        if self.is_away:
            self.is_away = False
            logger.info("Redis is back for %s", self._purpose)

    async def run(self) -> NoReturn:
        """Connect again and again until cancelled."""
        failures = 0
        while True:
            connection: AbstractConnection = self._pool.make_connection()
            try:
                await _open(connection)
                await self._use(connection)
            except Exception as error:
                self._note_failure(error)
            finally:
                if self._up_since is not None and monotonic() - self._up_since > STEADY_SECONDS:
                    failures = 0
                self._up_since = None
                # nowait, as a frozen Redis takes no part in farewells.
                await connection.disconnect(nowait=True)
            failures = min(failures + 1, 10)
            await anyio.sleep(random.uniform(FIRST_PAUSE, min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE)))  # noqa: S311

    def _note_failure(self, error: Exception) -> None:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if not self.is_away:
            self.is_away = True
            unforeseen = None if isinstance(error, RedisError | OSError) else error
            logger.warning("Redis is away for %s: %s", self._purpose, str(error) or repr(error), exc_info=unforeseen)


async def _open(connection: AbstractConnection) -> None:
    with anyio.fail_after(CONNECT_SECONDS):
        await connection.connect()
        # The kernel accepts connections for a frozen Redis, too; only an answer shows that it is there.
        await connection.send_command("PING")
        await connection.read_response()
