"""Where all processes count: in Redis if there is one, in PostgreSQL for several processes without, or nowhere."""

import anyio
from limits.aio.storage import Storage
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.settings import Settings


class SharedStorage(Storage):
    """Counters that all processes have in common."""

    STORAGE_SCHEME = None

    async def run(self) -> None:
        """Do what is to be done meanwhile, until cancelled."""
        await anyio.sleep_forever()

    async def close(self) -> None:
        """Close connections of its own."""


def shared_storage(settings: Settings, database: AsyncEngine) -> SharedStorage | None:
    """The storage of this chat's processes; None for a chat that is one process."""
    # Each is imported where it is used: a chat of one process starts sooner without either.
    scheme = (settings.broadcast_url or "").split("://")[0]
    if scheme in ("redis", "rediss"):
        from chat.throttling.redis import RedisCounters  # noqa: PLC0415

        return RedisCounters(str(settings.broadcast_url))
    if scheme in ("postgres", "postgresql") or settings.web_concurrency > 1:
        from chat.throttling.postgres import PostgresCounters  # noqa: PLC0415

        return PostgresCounters(database)
    return None
