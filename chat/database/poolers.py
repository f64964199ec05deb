"""A connection to PostgreSQL that changes nothing in its session and recognises a pooler in front of the server.

A pooler in transaction mode (PgBouncer, Supavisor, PgCat, RDS Proxy) gives each transaction any free server connection.
Settings, channels and prepared statements of a session belong to another client in the next moment. So nothing here
outlives a transaction but prepared statements, and those only where no pooler was found.
"""

import asyncio
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0
PROBE_SECONDS = 10.0
PROBES = "ABAABBAB"  # the order in which two clients ask; it also reveals a pooler that rotates its connections

# A process that hangs in a transaction must not hold a room's lock for ever. Sent with BEGIN, in one message.
_LIMIT = " SET LOCAL idle_in_transaction_session_timeout = '5s'"

Pooling = Literal["none", "session", "transaction"]


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """asyncpg's connection, to a server or a pooler. Behind a pooler every statement must be in a transaction."""

    is_pooled = False

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.prepared: dict[str, PreparedStatement] = {}  # by text, for database/direct.py

    async def execute(self, query: str, *arguments: object, timeout: float | None = None) -> str:
        """Execute as asyncpg does; limits the idle time of a transaction that begins."""
        if not arguments and query.startswith("BEGIN"):
            query += _LIMIT
        return str(await super().execute(query, *arguments, timeout=timeout))

    async def prepare(self, query: str, *, name: object = None, **options: object) -> PreparedStatement:
        """Prepare a statement: with a name, to reuse it, or without one behind a pooler."""
        return await super().prepare(query, name="" if self.is_pooled else True, **options)


async def connect(database_url: str, command_timeout: float | None = COMMAND_TIMEOUT) -> Connection:
    """Connect to a URL as hosting platforms give it, and find out whether a pooler answers."""
    dsn = normalise_url(database_url)
    connection: Connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT,
        command_timeout=command_timeout,
        statement_cache_size=0,  # SQLAlchemy keeps them
        connection_class=Connection,
    )
    try:
        # Until a pooler is ruled out, nothing may stay on a connection that other clients may get.
        connection.is_pooled = True
        connection.is_pooled = await _backend(connection) != connection.get_server_pid()
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _backend(connection: Connection) -> int:
    """Return the id of the server process behind this transaction. A pooler first reports a number of its own."""
    async with connection.transaction():
        statement = await connection.prepare("SELECT pg_backend_pid()")
        return int(await statement.fetchval())


async def pooling_of(database_url: str) -> Pooling:
    """Return how the server at a URL shares its connections; raises asyncpg's errors if it cannot be reached.

    In session mode a client keeps its server process, and shares it with no other client.
    """
    first = await connect(database_url)
    try:
        return await _compare(first, database_url) if first.is_pooled else "none"
    finally:
        first.terminate()


async def _compare(first: Connection, database_url: str) -> Pooling:
    """Tell the modes of a pooler apart by the server processes that two clients get."""
    seen: dict[str, set[int]] = {"A": set(), "B": set()}
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            second = await connect(database_url)
            try:
                for name in PROBES:
                    seen[name].add(await _backend(first if name == "A" else second))
            finally:
                second.terminate()
    except TimeoutError:
        return "session"  # with one server process, which the first client keeps
    is_kept = all(len(processes) == 1 for processes in seen.values()) and not seen["A"] & seen["B"]
    return "session" if is_kept else "transaction"


def normalise_url(database_url: str) -> str:
    """Return a URL with the scheme that asyncpg expects, and without `channel_binding`, which it does not know."""
    parts = urlsplit(database_url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "channel_binding"]
    return urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query)))
