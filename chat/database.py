"""The connection to PostgreSQL."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from sqlalchemy import ARRAY, BigInteger, Column, ColumnElement, any_, literal
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0


def create_engine(database_url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine for a URL as hosting platforms give it: `postgres://…?sslmode=require`.

    asyncpg reads the URL itself, because it understands libpq's parameters (sslmode, sslrootcert, host=/socket/dir)
    where SQLAlchemy's dialect would hand them on as unknown arguments.
    """
    dsn = normalise_url(database_url)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT, command_timeout=COMMAND_TIMEOUT)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIMEOUT,
        pool_pre_ping=True,
    )


def normalise_url(database_url: str) -> str:
    """`database_url` with the scheme asyncpg expects and without `channel_binding`, which it does not know."""
    parts = urlsplit(database_url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "channel_binding"]
    return urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query)))


@asynccontextmanager
async def snapshot(database: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements all see the database at the same moment, for pages that must agree with themselves."""
    async with database.connect() as connection:
        yield await connection.execution_options(isolation_level="REPEATABLE READ")


def is_one_of(column: Column[int], numbers: Iterable[int]) -> ColumnElement[bool]:
    """A condition like `column IN (…)` that is one prepared statement however many numbers there are."""
    return column == any_(literal(list(numbers), ARRAY(BigInteger)))
