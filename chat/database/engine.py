"""The connection to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
from sqlalchemy import ARRAY, BigInteger, Column, ColumnElement, any_, event, literal, true
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chat.database.pool import PatientPool
from chat.database.poolers import COMMAND_TIMEOUT, CONNECT_TIMEOUT, Connection, connect
from chat.errors import DatabaseUnavailable
from chat.folding import bare
from chat.text import single_line

# Characters, more than any name has. A bound, because PostgreSQL compares the query with every name.
LONGEST_QUERY = 200

# SQLSTATE: connection exception, a read-only server (a standby), transaction rollback (a deadlock), insufficient
# resources, not in prerequisite state, operator intervention.
_UNAVAILABLE = ("08", "25006", "40", "53", "55", "57")


def create_engine(
    database_url: str, *, connections: int = 20, command_timeout: float | None = COMMAND_TIMEOUT
) -> AsyncEngine:
    """Create an engine for a URL as hosting platforms give it: `postgres://…?sslmode=require`.

    asyncpg reads the URL itself, because it understands libpq's parameters (sslmode, sslrootcert, host=/socket/dir),
    which SQLAlchemy's dialect would pass on as unknown arguments. Up to half of the `connections` are kept for a moment
    when idle, and few for longer. `command_timeout` is in seconds.

    Opening and using a connection raise `DatabaseUnavailable` while the database cannot answer. Nothing else raises it,
    and only this error leads to the page about a short break.
    """
    kept = (connections + 1) // 2
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(_connect, database_url, command_timeout),
        poolclass=PatientPool,
        pool_size=kept,
        max_overflow=connections - kept,
        pool_timeout=CONNECT_TIMEOUT,
        pool_use_lifo=True,  # so that those which are not needed are idle
        hide_parameters=True,  # otherwise an error in the log shows input and password hashes
    )
    event.listen(engine.sync_engine, "connect", _keep_no_statements_behind_a_pooler)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "handle_error", _hide_values)
    event.listen(engine.sync_engine, "handle_error", _tell_unavailable)
    return engine


async def _connect(database_url: str, command_timeout: float | None) -> Connection:
    try:
        return await connect(database_url, command_timeout)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(str(error) or repr(error), _sqlstate(error)) from error


def _hide_values(context: ExceptionContext) -> None:
    for error in (context.sqlalchemy_exception, context.original_exception, context.original_exception.__cause__):
        if error is not None:
            hide_values(error)


def hide_values(error: BaseException) -> None:
    """Remove PostgreSQL's DETAIL from an error: it quotes the refused row, with hashes and input."""
    error.args = tuple(part.partition("\nDETAIL:")[0] if isinstance(part, str) else part for part in error.args)
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None


def _tell_unavailable(context: ExceptionContext) -> DatabaseUnavailable | None:
    """Distinguish a database that cannot answer from an error in the code."""
    return unavailable(context.original_exception, has_disconnected=context.is_disconnect)


def unavailable(error: BaseException, *, has_disconnected: bool = False) -> DatabaseUnavailable | None:
    """Return what to raise instead of an error if it means that the database cannot answer."""
    if not isinstance(error, Exception):
        return None  # a cancelled request
    # An OSError means that the connection has ended or timed out: a statement opens and awaits nothing else.
    if has_disconnected or isinstance(error, OSError) or _sqlstate(error).startswith(_UNAVAILABLE):
        return DatabaseUnavailable(str(error) or repr(error), _sqlstate(error))
    return None


def _sqlstate(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _keep_no_statements_behind_a_pooler(connection: AsyncAdapt_asyncpg_connection, _record: object) -> None:
    if connection.driver_connection.is_pooled:
        connection._prepared_statement_cache = None  # type: ignore[assignment]  # as SQLAlchemy does for a size of 0


def _refuse_closed(connection: AsyncAdapt_asyncpg_connection, _record: object, _proxy: object) -> None:
    """Let the pool replace a connection that was closed while idle, without asking the server at each use."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Limit the time of a block that uses the database; raises `DatabaseUnavailable` when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DatabaseUnavailable(f"no answer in {seconds:g} s") from error


@asynccontextmanager
async def reading(database: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a connection in AUTOCOMMIT: each statement has its own snapshot, without a transaction's round trips.

    Behind a pooler it is one transaction, because otherwise one server process might prepare a statement and another
    execute it.
    """
    async with database.connect() as connection:
        pooled = connection.sync_connection
        if pooled is not None and getattr(pooled.connection.driver_connection, "is_pooled", False):
            yield connection
            await connection.commit()
        else:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")


def is_one_of(column: Column[int], numbers: Iterable[int]) -> ColumnElement[bool]:
    """Return a condition like `column IN (…)` that is the same prepared statement for any number of values."""
    return column == any_(literal(list(numbers), ARRAY(BigInteger)))


def contains(column: Column[str], query: str) -> ColumnElement[bool]:
    """Return a condition: a column of bare text contains `query`, in any case and with or without accents."""
    wanted = bare(single_line(query)[:LONGEST_QUERY])
    # Without a condition, PostgreSQL reads names in their order until it has enough.
    return column.contains(wanted, autoescape=True) if wanted else true()
