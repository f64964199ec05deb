"""The broker on PostgreSQL: LISTEN and NOTIFY, for several processes without a Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import asyncpg
from broadcaster import Event

from chat.database.poolers import Connection, connect, pooling_of
from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.outgoing import Batch
from chat.live.brokers.remote import RemoteBackend
from chat.urls import check_postgres_url

# Bytes: NOTIFY takes less than 8,000; larger messages go in parts. Markup in a hint costs its receiver a sixth of
# fetching it, and PostgreSQL nothing measurable.
LARGEST = 7_900
ANSWER_SECONDS = 2.0  # for a single statement

POOLED = (
    "a pooler in transaction mode has no LISTEN: set REDIS_URL, or BROADCAST_URL to the database itself, "
    "or let one process serve (WEB_CONCURRENCY=1 and no BROADCAST_URL)"
)

# PostgreSQL serialises all commits with a NOTIFY, and a hint need not survive a crash. The setting is for this
# statement's transaction only: set for the session, it would apply to the next client of a pooler, too.
_NOTIFY = """
    SELECT set_config('synchronous_commit', 'off', true), pg_notify(channel, message)
    FROM unnest($1::text[], $2::text[]) AS parts (channel, message)
"""


class PostgresBackend(RemoteBackend[Connection]):
    """Publishes and subscribes through PostgreSQL, over connections of its own, at the database itself."""

    server = "PostgreSQL"
    foreseen = (asyncpg.PostgresError, asyncpg.InterfaceError)
    on_distrust = "add sslrootcert=/path/ca.pem to the address, or sslmode=require if that is expected"

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        check_postgres_url(url)
        self._url = url
        self._parts: list[str] = []

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Connection]:
        connection = await connect(self._url)
        try:
            if connection.is_pooled and await pooling_of(self._url) == "transaction":
                raise ConnectionError(POOLED)
            yield connection
        finally:
            connection.terminate()

    async def _receive(self, connection: Connection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        self._parts.clear()

        async def ask(joined: set[str], left: set[str]) -> None:
            statements = [
                *(partial(connection.remove_listener, channel, self._on_notification) for channel in left),
                *(partial(connection.add_listener, channel, self._on_notification) for channel in joined),
                partial(connection.execute, "SELECT 1"),
            ]
            try:
                for statement in statements:
                    with anyio.fail_after(ANSWER_SECONDS):
                        await statement()
            except BaseException:
                # Otherwise asyncpg opens one more connection to cancel the statement.
                connection.terminate()
                raise

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow, ask, name="broker postgres channels")
            await lost.wait()
            raise ConnectionError("the connection was lost")

    async def _send(self, connection: Connection, batch: Batch) -> None:
        parts = [(channel, payload) for channel, message in batch for payload in _payloads(message)]
        # Numbered, because PostgreSQL delivers equal ones only once.
        payloads = [f"{number}{payload}" for number, (_, payload) in enumerate(parts)]
        await connection.execute(_NOTIFY, [channel for channel, _ in parts], payloads)

    def _on_notification(self, connection: object, process_id: int, channel: str, payload: object) -> None:
        head, _, part = str(payload).partition(" ")
        if "<" in head:
            self._parts.clear()
        elif not self._parts:
            return
        self._parts.append(part)
        if ">" in head:
            self._incoming.put(Event(channel, "".join(self._parts)))
            self._parts.clear()


def _payloads(message: str) -> list[str]:
    """Split a message into parts small enough for NOTIFY, the first marked with `<`, the last with `>`.

    PostgreSQL delivers the parts of one transaction together and in order.
    """
    text = message.replace("\0", "\ufffd")
    size = LARGEST if text.isascii() else LARGEST // 4
    last = max(len(text) - 1, 0) // size
    return [f"{'<' * (n == 0)}{'>' * (n == last)} {text[n * size : (n + 1) * size]}" for n in range(last + 1)]
