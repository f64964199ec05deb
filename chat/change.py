"""A change: a transaction, or one statement, and its events, which are published after the commit, never inside."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.live.events import Event


class Told:
    """The events that something commits."""

    def __init__(self) -> None:
        self._told: list[Callable[[], Iterable[Event]]] = []

    def tell(self, *events: Event) -> None:
        """Publish these events once the transaction is committed."""
        self._told.append(lambda: events)

    def tell_later(self, make: Callable[[], Iterable[Event]]) -> None:
        """Publish events that are made after the commit, because making them would hold the transaction's locks."""
        self._told.append(make)

    def told(self) -> Iterable[Event]:
        """Return the events in the order they were told."""
        for make in self._told:
            yield from make()


class Change(Told):
    """An open transaction. The domain writes through `connection`, and calls `tell` for each event."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__()
        self.connection = connection


# Takes an event, and when it was committed, in seconds since 1970.
Publish = Callable[[Event, float], Awaitable[None]]
BeginChange = Callable[[], AbstractAsyncContextManager[Change]]
TellAfter = Callable[[], AbstractAsyncContextManager[Told]]


@asynccontextmanager
async def begin_change(database: AsyncEngine, publish: Publish) -> AsyncIterator[Change]:
    """Open a transaction, commit it at the end of the block, then publish its events; an error does neither.

    Raises `DatabaseUnavailable`.
    """
    async with database.begin() as connection:
        change = Change(connection)
        yield change
    await _publish(change, publish)


@asynccontextmanager
async def tell_after(publish: Publish) -> AsyncIterator[Told]:
    """Publish events at the end of a block whose only statement commits itself; an error does not."""
    told = Told()
    yield told
    # Posts are made by a task of their own, which no request can cancel.
    await _tell(told, publish)


async def _publish(committed: Told, publish: Publish) -> None:
    # The change is committed, so even a cancelled request must publish its events.
    with anyio.CancelScope(shield=True):
        await _tell(committed, publish)


async def _tell(committed: Told, publish: Publish) -> None:
    committed_at = time.time()
    for event in committed.told():
        await publish(event, committed_at)
