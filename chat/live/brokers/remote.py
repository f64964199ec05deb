"""The common part of brokers with a server of their own: two supervised connections and two bounded queues."""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Generic, NoReturn

import anyio
from broadcaster import BroadcastBackend, Event

from chat.live.brokers.channels import Ask, Channels
from chat.live.brokers.incoming import RESYNC, Incoming
from chat.live.brokers.link import Connection, Link
from chat.live.brokers.outgoing import Batch, Outgoing
from chat.reminder import Reminder
from chat.supervision import Failures, keep

logger = logging.getLogger("chat.live.brokers.broker")

ANSWER_SECONDS = 2.0  # for the server to confirm changed channels,
SECONDS_A_CHANNEL = 0.01  # and more for many at once, as after a reconnect
CONFIRM_SECONDS = 1.0  # a subscriber waits this long for the server to confirm
LAST_WORDS_SECONDS = 0.5
AGAIN_SECONDS = 0.1


class RemoteBackend(BroadcastBackend, Generic[Connection]):
    """Publishes and subscribes through a server, and keeps working while the server comes and goes.

    While the server is away, nothing here waits or fails: channels are noted, and messages that cannot be sent within
    a second are dropped. Once the channels are confirmed on a new connection, a `RESYNC` follows.
    """

    server: ClassVar[str]
    foreseen: ClassVar[tuple[type[Exception], ...]]
    on_distrust: ClassVar[str] = "add ?ca=/path/ca.pem to the address, or ?verify=no if that is expected"

    def __init__(self, capacity: int) -> None:
        self._incoming = Incoming(capacity)
        self._channels = Channels()
        self._outgoing = Outgoing()
        reminder = Reminder()
        self._receiving = self._link("subscribing", self._receive, reminder)
        self._sending = self._link("publishing", self._use_to_send, reminder)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_refused = False
        self.failures = Failures()

    def _link(self, purpose: str, use: Callable[[Connection], Awaitable[None]], reminder: Reminder) -> Link[Connection]:
        return Link(
            self.server, purpose, self._open, use, self.foreseen, reminder=reminder, on_distrust=self.on_distrust
        )

    @abstractmethod
    def _open(self) -> AbstractAsyncContextManager[Connection]:
        """Open a connection to a server that answers."""

    @abstractmethod
    async def _receive(self, connection: Connection) -> None:
        """Run `_follow` and put received messages into `_incoming`. Ends by raising."""

    @abstractmethod
    async def _send(self, connection: Connection, batch: Batch) -> None:
        """Send a batch, which may be empty, and wait for the answer."""

    @property
    def is_connected(self) -> bool:
        """Tell whether hints can be sent and received. A server that dies silently is noticed after 5 s at most."""
        return self._receiving.is_up and self._sending.is_up

    @property
    def trouble(self) -> str | None:
        """The reason why the server is away; None while it answers, or before the first attempt."""
        for link in (self._receiving, self._sending):
            if link.is_away:
                return f"{self.server} cannot be reached: {link.failure}"
        return None

    @property
    def dropped(self) -> int:
        """The number of messages lost here since the start: not sent in time, refused, or not taken in time."""
        return self._outgoing.dropped + self._incoming.dropped

    @property
    def reconnects(self) -> Mapping[str, int]:
        """The connections that worked after the first one, by purpose."""
        links = {"receiving": self._receiving, "sending": self._sending}
        return {purpose: max(0, link.connections - 1) for purpose, link in links.items()}

    @property
    def bytes_to_send(self) -> int:
        """The bytes of queued messages to the server."""
        return self._outgoing.bytes

    @property
    def bytes_received(self) -> int:
        """The bytes of queued messages from the server."""
        return self._incoming.bytes

    async def connect(self) -> None:
        """Start connecting; the server may come up later."""
        self._tasks = [
            self._keep(self._receiving.run, "broker receiver"),
            self._keep(self._sending.run, "broker sender"),
        ]

    def _keep(self, work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(keep(work, name, self.failures), name=name)

    async def disconnect(self) -> None:
        """Stop, after half a second at most, whether or not the server answers."""
        try:
            with anyio.move_on_after(LAST_WORDS_SECONDS if self._sending.is_up else 0):
                await self._outgoing.all_sent()
        finally:
            # A task group that fails at the same moment swallows a cancellation.
            while running := [task for task in self._tasks if not task.done()]:
                for task in running:
                    task.cancel()
                await asyncio.wait(running, timeout=AGAIN_SECONDS)

    async def subscribe(self, channel: str) -> None:
        """Return when the server has confirmed, at once while it is away; a `RESYNC` follows when it is back."""
        if channel != RESYNC:
            await self._channels.join(channel, 0 if self._receiving.is_away else CONFIRM_SECONDS)

    async def unsubscribe(self, channel: str) -> None:
        self._channels.leave(channel)

    async def publish(self, channel: str, message: str) -> None:
        """Queue a message to be sent; never waits for the server and never fails because of it."""
        if channel != RESYNC:
            self._outgoing.put(channel, message)

    async def next_published(self) -> Event:
        return await self._incoming.get()

    async def _follow(self, ask: Ask) -> NoReturn:
        await self._channels.follow(ask, self._resync)

    async def _follow_in_time(self, ask: Ask) -> NoReturn:
        """Run `_follow`, and raise `TimeoutError` when the server is silent."""

        async def ask_in_time(joined: set[str], left: set[str]) -> None:
            seconds = ANSWER_SECONDS + SECONDS_A_CHANNEL * (len(joined) + len(left))
            try:
                with anyio.fail_after(seconds):
                    await ask(joined, left)
            except TimeoutError:
                raise TimeoutError(f"no answer in {seconds:.0f} s") from None

        await self._follow(ask_in_time)

    def _refused(self, reason: str) -> None:
        """Count a message that the server refused, and log the first."""
        self._outgoing.refused()
        if not self._is_refused:
            self._is_refused = True
            logger.warning("%s refuses to publish: %s", self.server, reason)

    def _resync(self) -> None:
        self._receiving.up()
        self._incoming.put(Event(RESYNC, "connected"))

    async def _use_to_send(self, connection: Connection) -> NoReturn:
        self._sending.up()
        await self._outgoing.send_with(lambda batch: self._send(connection, batch))
