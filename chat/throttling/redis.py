"""Counters in Redis."""

from typing import Any

from limits.aio.storage import RedisStorage
from redis.asyncio.connection import BlockingConnectionPool

from chat.throttling.shared import SharedStorage

MOST_CONNECTIONS = 10
CONNECT_SECONDS = 2.0
PREFIX = "simplechat:limits"


class RedisCounters(RedisStorage, SharedStorage):
    """The library's storage, with a bounded number of connections."""

    STORAGE_SCHEME = None  # type: ignore[assignment]  # made by name, never by its address

    def __init__(self, url: str) -> None:
        self._pool = BlockingConnectionPool.from_url(
            url, max_connections=MOST_CONNECTIONS, timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
        )
        # The pool knows the address; the library would refuse one without a port.
        options: dict[str, Any] = {"connection_pool": self._pool}
        super().__init__("async+redis://", implementation="redispy", key_prefix=PREFIX, **options)

    async def close(self) -> None:
        await self._pool.disconnect()
