"""The storage shared by all processes: Redis if that is the broker, PostgreSQL with any other broker, or none."""

from sqlalchemy.ext.asyncio import AsyncEngine

from chat.settings import Settings
from chat.throttling.shared import SharedStorage


def shared_storage(settings: Settings, database: AsyncEngine) -> SharedStorage | None:
    """Return the shared storage of this chat's processes; None for a single process."""
    # Imported only where used, because a chat of one process starts sooner without them.
    scheme = (settings.broadcast_url or "").split("://")[0]
    if scheme in ("redis", "rediss"):
        from chat.throttling.redis import RedisCounters  # noqa: PLC0415

        return RedisCounters(str(settings.broadcast_url))
    if scheme not in ("", "memory") or settings.web_concurrency > 1:
        from chat.throttling.postgres import PostgresCounters  # noqa: PLC0415

        return PostgresCounters(database)
    return None
