"""The Redis backend: pub/sub over two supervised connections, one to subscribe and one to publish."""

import asyncio
import logging
import math
from collections import Counter, deque
from time import monotonic
from typing import NoReturn

import anyio
from broadcaster import BroadcastBackend, Event
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from chat.live.incoming import CAPACITY, RESYNC, Incoming
from chat.live.redis_link import RedisLink

logger = logging.getLogger("chat.live.broker")

IDLE_SECONDS = 2.0  # of silence, then a PING
PING_SECONDS = 3.0  # for Redis to say anything at all after it
CONFIRM_SECONDS = 1.0  # how long a subscriber waits for Redis to confirm

SEND_SECONDS = 1.0  # for a batch to be sent and answered
FRESH_SECONDS = 1.0  # receivers have made good for older hints themselves
FLUSH_SECONDS = 0.5  # for last words when leaving
BATCH = 100  # messages; so many may still arrive late, when Redis freezes with a batch in its socket


class _Receiver:
    """Brings Redis in step with the wanted channels, and queues what they receive."""

    def __init__(self, url: str, incoming: Incoming) -> None:
        self.link = RedisLink(url, "subscribing", self._use)
        self._incoming = incoming
        self._wanted: set[str] = set()
        self._changed = asyncio.Event()
        self._confirmed: dict[str, asyncio.Event] = {}
        # On the present connection:
        self._asked: set[str] = set()
        self._unanswered: Counter[str] = Counter()
        self._owes_resync = False

    async def subscribe(self, channel: str) -> None:
        self._wanted.add(channel)
        self._changed.set()
        if self.link.is_away or (channel in self._asked and not self._unanswered[channel]):
            return
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        with anyio.move_on_after(CONFIRM_SECONDS) as patience:
            await confirmed.wait()
        if patience.cancelled_caught:
            # From now on the subscriber believes to hear everything.
            self._owes_resync = True

    def unsubscribe(self, channel: str) -> None:
        self._wanted.discard(channel)
        self._confirmed.pop(channel, None)
        self._changed.set()

    async def _use(self, connection: AbstractConnection) -> None:
        self._asked.clear()
        self._unanswered.clear()
        self._owes_resync = True
        self._changed.set()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ask, connection, name="broker redis channels")
            await self._hear(connection)

    async def _ask(self, connection: AbstractConnection) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            left, joined = self._asked - self._wanted, self._wanted - self._asked
            self._asked = set(self._wanted)
            self._unanswered.update(joined)
            if left:
                await connection.send_command("UNSUBSCRIBE", *left)
            if joined:
                await connection.send_command("SUBSCRIBE", *joined)
            self._settle()

    async def _hear(self, connection: AbstractConnection) -> None:
        while True:
            # None is a timeout: nothing is lost, the parser goes on where it stopped.
            reply = await connection.read_response(timeout=IDLE_SECONDS)
            if reply is None:
                await connection.send_command("PING")
                reply = await connection.read_response(timeout=PING_SECONDS)
            match reply:
                case None:
                    raise TimeoutError(f"no answer to a PING in {PING_SECONDS:g} s")
                case [b"message", channel, message]:
                    self._incoming.put(Event(channel.decode(), message.decode(errors="replace")))
                case [b"subscribe", channel, _]:
                    self._confirm(channel.decode())

    def _confirm(self, channel: str) -> None:
        # A channel left and joined again in one breath is owed several answers. Only the last counts.
        self._unanswered[channel] -= 1
        if self._unanswered[channel]:
            return
        del self._unanswered[channel]
        if confirmed := self._confirmed.pop(channel, None):
            confirmed.set()
        self._settle()

    def _settle(self) -> None:
        """Tell that messages may have been missed, as soon as none can be missed any more."""
        if self._owes_resync and not self._unanswered and self._asked == self._wanted:
            self._owes_resync = False
            self.link.up()
            self._incoming.put(Event(RESYNC, "connected"))


class _Sender:
    """Sends what waits, in order and many in one round trip, while it is fresh."""

    def __init__(self, url: str) -> None:
        self.link = RedisLink(url, "publishing", self._use)
        self._waiting: deque[tuple[float, bytes, bytes]] = deque()  # since when, channel, message
        self._something_to_send = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._dropped = 0
        self._is_refused = False

    @property
    def dropped(self) -> int:
        self._drop_stale()
        return self._dropped

    def publish(self, channel: str, message: str) -> None:
        self._waiting.append((monotonic(), channel.encode(), message.encode()))
        self._drop_stale()
        while len(self._waiting) > CAPACITY:
            # The oldest: a newer hint says how far its room is, and that is enough to fetch what was before.
            self._drop_oldest()
        self._all_sent.clear()
        self._something_to_send.set()

    async def flush(self) -> None:
        """Give what waits a moment to leave."""
        if self.link.is_up:
            with anyio.move_on_after(FLUSH_SECONDS):
                await self._all_sent.wait()

    def _drop_stale(self) -> None:
        oldest = monotonic() - FRESH_SECONDS
        while self._waiting and self._waiting[0][0] < oldest:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._waiting.popleft()
        self._dropped += 1

    async def _use(self, connection: AbstractConnection) -> None:
        self.link.up()
        self._is_refused = False
        while True:
            if not self._waiting:
                self._all_sent.set()
                self._something_to_send.clear()
                with anyio.move_on_after(IDLE_SECONDS):
                    await self._something_to_send.wait()
            self._drop_stale()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
            try:
                with anyio.fail_after(SEND_SECONDS):
                    await self._send(connection, batch)
            except BaseException:
                # The next connection tries again with those still fresh. To hear a hint twice does no harm.
                self._waiting.extendleft(reversed(batch))
                raise

    async def _send(self, connection: AbstractConnection, batch: list[tuple[float, bytes, bytes]]) -> None:
        commands: list[tuple[str | bytes, ...]]
        commands = [("PUBLISH", channel, message) for _, channel, message in batch] or [("PING",)]
        await connection.send_packed_command(connection.pack_commands(commands))
        for _ in commands:
            try:
                await connection.read_response(timeout=math.inf)
            except ResponseError as refusal:
                self._dropped += 1
                if not self._is_refused:
                    self._is_refused = True
                    logger.warning("Redis refuses to publish: %s", refusal)


class RedisBackend(BroadcastBackend):
    """Publishes and subscribes through Redis for as long as it is connected, whatever happens to Redis meanwhile.

    While Redis is away nothing here waits for it or fails: channels are noted, and messages that cannot be sent within
    a second are dropped. Once the channels stand on a new connection there is a `RESYNC`.
    """

    largest_message = None

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        self._incoming = Incoming(capacity)
        self._receiver = _Receiver(url, self._incoming)
        self._sender = _Sender(url)
        self._tasks: list[asyncio.Task[NoReturn]] = []

    @property
    def is_connected(self) -> bool:
        """Whether hints come and go. The silent death of Redis shows after 5 s at most."""
        return self._receiver.link.is_up and self._sender.link.is_up

    @property
    def dropped(self) -> int:
        """How many messages were lost here since the start: not sent in time, refused, or not taken in time."""
        return self._sender.dropped + self._incoming.dropped

    async def connect(self) -> None:
        """Start; Redis may come later."""
        self._tasks = [
            asyncio.create_task(self._receiver.link.run(), name="broker redis receiver"),
            asyncio.create_task(self._sender.link.run(), name="broker redis sender"),
        ]

    async def disconnect(self) -> None:
        """Stop, after half a second at most, whether or not Redis answers."""
        try:
            await self._sender.flush()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def subscribe(self, channel: str) -> None:
        """Return when Redis has confirmed, or without it when Redis is away: a `RESYNC` follows when it is back."""
        if channel != RESYNC:
            await self._receiver.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        if channel != RESYNC:
            self._receiver.unsubscribe(channel)

    async def publish(self, channel: str, message: str) -> None:
        """Hand a message over to be sent; never waits for Redis and never fails because of it."""
        if channel != RESYNC:
            self._sender.publish(channel, message)

    async def next_published(self) -> Event:
        return await self._incoming.get()
