"""The PostgreSQL backend: LISTEN and NOTIFY over two connections of its own, for several processes without a Redis."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

import asyncpg
from broadcaster import BroadcastBackend, Event

from chat.database import CONNECT_TIMEOUT, normalise_url
from chat.live.incoming import CAPACITY, RESYNC, Incoming

logger = logging.getLogger("chat.live.broker")

LARGEST_MESSAGE = 7_900  # bytes: NOTIFY takes less than 8,000
ANSWER_SECONDS = 1.0  # for PostgreSQL to answer anything
LAST_WORDS_SECONDS = 0.5
IDLE_SECONDS = 2.0  # between looks at whether a connection lives
FRESH_SECONDS = 1.0  # receivers have made good for older hints themselves
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts

_NOTIFY = "SELECT pg_notify(channel, message) FROM unnest($1::text[], $2::text[]) AS hints (channel, message)"
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class PostgresBackend(BroadcastBackend):
    """Publishes and subscribes through PostgreSQL for as long as it is connected, whatever happens to it meanwhile.

    While the database is away nothing here waits for it or fails. After every new connection there is a `RESYNC`.
    """

    largest_message = LARGEST_MESSAGE

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        self._url = normalise_url(url)
        self._incoming = Incoming(capacity)
        self._wanted: set[str] = set()
        self._listener: asyncpg.Connection | None = None
        self._sender: asyncpg.Connection | None = None
        self._connected = asyncio.Event()
        # A connection does one thing at a time.
        self._turn = asyncio.Lock()
        self._waiting: deque[tuple[float, str, str]] = deque()
        self._something_to_send, self._all_sent = asyncio.Event(), asyncio.Event()
        self._all_sent.set()
        self._dropped = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_connected(self) -> bool:
        """Whether hints come and go."""
        return self._listener is not None and self._sender is not None

    @property
    def dropped(self) -> int:
        """How many messages were lost here since the start: too large, not sent in time, or not taken in time."""
        return self._dropped + self._incoming.dropped

    async def connect(self) -> None:
        """Start, and wait a moment for the database; it may come later."""
        self._tasks = [
            asyncio.create_task(self._for_ever(self._listen, "subscribing"), name="broker postgres listener"),
            asyncio.create_task(self._for_ever(self._send, "publishing"), name="broker postgres sender"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._connected.wait()

    async def disconnect(self) -> None:
        """Send what waits, if the database takes it, and stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS if self.is_connected else 0):
                await self._all_sent.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def subscribe(self, channel: str) -> None:
        """Return when the database listens, or without it when it is away: a `RESYNC` follows when it is back."""
        if channel == RESYNC:
            return
        self._wanted.add(channel)
        await self._tell("add_listener", channel)

    async def unsubscribe(self, channel: str) -> None:
        self._wanted.discard(channel)
        await self._tell("remove_listener", channel)

    async def publish(self, channel: str, message: str) -> None:
        """Hand a message over to be sent; never waits for the database and never fails because of it."""
        if len(message.encode()) > LARGEST_MESSAGE or "\0" in message or len(self._waiting) >= CAPACITY:
            self._dropped += 1
        elif channel != RESYNC:
            self._waiting.append((monotonic(), channel, message))
            self._something_to_send.set()
            self._all_sent.clear()

    async def next_published(self) -> Event:
        return await self._incoming.get()

    async def _tell(self, method: str, channel: str) -> None:
        connection = self._listener
        if connection is None:
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._turn:
                await getattr(connection, method)(channel, self._hear)
        except _FAILURES:
            # Its loss is what the listening task waits for.
            connection.terminate()

    def _hear(self, connection: object, process_id: int, channel: str, message: object) -> None:
        self._incoming.put(Event(channel, str(message)))

    async def _listen(self, connection: asyncpg.Connection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        listening: set[str] = set()
        # Somebody may subscribe while the others' channels are being asked for.
        while missing := self._wanted - listening:
            for channel in missing:
                await connection.add_listener(channel, self._hear)
            listening |= missing
        self._listener = connection
        self._connected.set()
        self._incoming.put(Event(RESYNC, "connected"))
        while not lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await lost.wait()
                    break
            async with asyncio.timeout(ANSWER_SECONDS), self._turn:
                await connection.execute("SELECT 1")
        raise ConnectionError("the connection was lost")

    async def _send(self, connection: asyncpg.Connection) -> None:
        while True:
            # Nothing to send is sent, too, now and then: it shows whether the connection lives.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS if self._sender else 0):
                    await self._something_to_send.wait()
            self._something_to_send.clear()
            self._drop_stale()
            fresh = [(channel, message) for _, channel, message in self._waiting]
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.execute(_NOTIFY, [hint[0] for hint in fresh], [hint[1] for hint in fresh])
                    self._sender = connection
            except BaseException:
                # The next connection tries again with those still fresh. To hear a hint twice does no harm.
                self._something_to_send.set()
                raise
            for _ in range(len(fresh)):
                self._waiting.popleft()
            if not self._waiting:
                self._all_sent.set()

    def _drop_stale(self) -> None:
        oldest = monotonic() - FRESH_SECONDS
        while self._waiting and self._waiting[0][0] < oldest:
            self._waiting.popleft()
            self._dropped += 1

    async def _for_ever(self, use: Callable[[asyncpg.Connection], Awaitable[None]], purpose: str) -> None:
        """Give a connection to `use` again and again until cancelled."""
        pause, is_missed = FIRST_PAUSE, False
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(self._url, timeout=CONNECT_TIMEOUT)
                pause = FIRST_PAUSE
                if is_missed:
                    is_missed = False
                    logger.info("PostgreSQL is back for %s", purpose)
                await use(connection)
            except _FAILURES as error:
                self._drop_stale()
                if not is_missed:
                    is_missed = True
                    logger.warning("PostgreSQL is away for %s: %s", purpose, error)
            finally:
                if connection is self._listener:
                    self._listener = None
                if connection is self._sender:
                    self._sender = None
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE)
