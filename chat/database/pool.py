"""The pool of connections to PostgreSQL: requests queue, and processes share the connections the server allows."""

import asyncio
import random
from functools import cached_property
from time import monotonic

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_, greenlet_spawn
from sqlalchemy.util.queue import Empty

from chat.errors import DatabaseUnavailable
from chat.sqlstates import TOO_MANY_CONNECTIONS

# The pause after a refusal before another connection is tried; random, so that processes do not retry together.
PAUSES = (0.05, 0.25)
# After this long without a refusal the pool tries one more connection.
GROW_SECONDS = 2.0
# The share of its connections that a process keeps at a refusal, so that others get some.
KEPT_SHARE = 0.75
# Connections beyond these are closed when they have been idle for some seconds: fewer than a request of another process
# waits, which may be the one that lacks them.
KEPT_IDLE = 2
IDLE_SECONDS = 2.0
_RETURNED_AT = "returned_at"


class PatientPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool, except that it waits instead of failing if the server has no connection left.

    A role may have a limit (`CONNECTION LIMIT 20`), and a server has a total limit. A refused request waits until a
    connection of its process is free, or retries after a moment; requests of a process get connections in the order
    in which they came. After a refusal its process uses fewer connections, down to one, and then slowly more again. So
    processes that share a limit come to have equal shares. What a process does not use it gives back.
    """

    _most: float = float("inf")
    _not_before: float = 0.0
    _refused_at: float = 0.0
    _is_closing_idle: bool = False
    _closing_idle: asyncio.Task[None] | None = None
    waiting: int = 0
    timeouts: int = 0

    @cached_property
    def _line(self) -> asyncio.Lock:
        return asyncio.Lock()

    @property
    def allowed(self) -> int:
        """The most connections that this process may open."""
        return self.size() + self._max_overflow

    def take_idle(self) -> ConnectionPoolEntry | None:
        """Lend an idle connection, if there is one and nobody waits for it, until `give_back`.

        For statements that need nothing else of SQLAlchemy: its own loan takes them twice as long as the driver.
        """
        if self._line.locked() or not self.checkedin():
            return None
        record = self._pool.get(block=False)
        driver = record.driver_connection
        is_old = record.starttime < self._invalidate_time  # type: ignore[attr-defined]  # SQLAlchemy's records have it
        if driver is None or driver.is_closed() or is_old:
            # SQLAlchemy replaces it.
            self._pool.put(record, block=False)
            return None
        return record

    async def give_back(self, record: ConnectionPoolEntry) -> None:
        """Take a connection back."""
        if self._open() > self._most or self._pool.full():
            await greenlet_spawn(self._do_return_conn, record)  # which closes it
        else:
            self._do_return_conn(record)

    def _do_get(self) -> ConnectionPoolEntry:
        deadline = monotonic() + self._timeout
        while True:
            if record := self._take(deadline):
                return record
            try:
                return self._create_connection()
            except DatabaseUnavailable as error:
                self._dec_overflow()
                if error.sqlstate != TOO_MANY_CONNECTIONS:
                    raise
                self._note_refusal()
            except BaseException:
                self._dec_overflow()
                raise

    def _take(self, deadline: float) -> ConnectionPoolEntry | None:
        """Return a free connection, or None when the caller may open one more.

        Requests wait in line, and only the first one looks for a connection: otherwise later requests may get one
        first, again and again.
        """
        if not self._line.locked() and self.checkedin():
            return self._pool.get(block=False)
        self.waiting += 1
        try:
            await_(self._line_up(deadline))
            try:
                return self._take_first(deadline)
            finally:
                self._line.release()
        except TimeoutError:
            self.timeouts += 1
            raise DatabaseUnavailable("every connection was in use for too long") from None
        finally:
            self.waiting -= 1

    async def _line_up(self, deadline: float) -> None:
        async with asyncio.timeout(max(0.0, deadline - monotonic())):
            await self._line.acquire()

    def _take_first(self, deadline: float) -> ConnectionPoolEntry | None:
        while True:
            try:
                return self._pool.get(block=False)
            except Empty:
                pass
            if self._may_open() and self._inc_overflow():
                return None
            try:
                return self._pool.get(block=True, timeout=self._patience(deadline))
            except Empty:
                if monotonic() >= deadline:
                    raise TimeoutError from None

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self._open() > self._most:
            try:
                record.close()
            finally:
                self._dec_overflow()
        else:
            record.info[_RETURNED_AT] = monotonic()
            super()._do_return_conn(record)
            self._close_idle_later()

    def _close_idle_later(self) -> None:
        if self.checkedin() > KEPT_IDLE and not self._is_closing_idle:
            self._is_closing_idle = True
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._begin_closing_idle)

    def _begin_closing_idle(self) -> None:
        # Kept, because the loop refers to its tasks only weakly.
        self._closing_idle = asyncio.create_task(greenlet_spawn(self._close_idle), name="idle connections")

    def _close_idle(self) -> None:
        """Close connections that nobody has used for a while, and come again while there are others to spare."""
        idle = [self._pool.get(block=False) for _ in range(self.checkedin())]
        idle.sort(key=lambda record: record.info[_RETURNED_AT])
        unused = [each for each in idle if each.info[_RETURNED_AT] <= monotonic() - IDLE_SECONDS]
        closed = unused[: max(0, len(idle) - KEPT_IDLE)]
        for record in idle[len(closed) :]:
            self._pool.put(record, block=False)
        self._is_closing_idle = False
        self._close_idle_later()
        for record in closed:
            try:
                record.close()
            finally:
                self._dec_overflow()

    def _open(self) -> int:
        return self._pool.maxsize + self._overflow

    def _may_open(self) -> bool:
        now = monotonic()
        if now < self._not_before:
            return False
        if now - self._refused_at > GROW_SECONDS:
            self._most, self._refused_at = self._most + 1, now
        return self._open() < self._most

    def _note_refusal(self) -> None:
        now = monotonic()
        self._not_before = now + random.uniform(*PAUSES)  # noqa: S311  no secret
        self._refused_at = now
        self._most = max(1, int(self._open() * KEPT_SHARE))

    def _patience(self, deadline: float) -> float:
        """Return the seconds to wait for a returned connection before trying to open a new one."""
        now = monotonic()
        has_all = self._overflow >= self._max_overflow or self._open() >= self._most
        return max(0.0, min(deadline - now, GROW_SECONDS / 2 if has_all else self._not_before - now))
