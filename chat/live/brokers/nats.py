"""The broker on NATS: a subject for each channel.

nats-py's client reconnects silently, and it keeps a task and a queue for each subscription. Here it connects once, and
hands messages over as soon as they are parsed.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

import anyio
from broadcaster import Event
from nats.aio.client import PING_PROTO, Client
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import Error, MaxPayloadError, NoServersError

from chat.live.brokers.address import NAME, read_address
from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.outgoing import Batch
from chat.live.brokers.remote import RemoteBackend

CONNECT_SECONDS = 2
PORT = 4222
PREFIXES = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")  # words without wildcards, between dots


class NatsConnection(Client):
    """A connection that is used until it breaks."""

    def __init__(self, hear: Callable[[str, bytes], None]) -> None:
        super().__init__()
        self._hear = hear
        self.channels: dict[str, str] = {}  # by subject
        self.lost = asyncio.Event()
        self.problem: Exception = ConnectionError("the connection was lost")
        self.refused: Callable[[str], None] | None = None

    async def confirm(self) -> None:
        """Wait until the server has carried out everything sent before; raises `ConnectionError` when it is gone."""
        # nats-py's own `flush` sends its PING ahead of commands that are still queued.
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pongs.append(answer)
        await self._send_command(PING_PROTO)
        await self._flush_pending()
        if not self.is_closed:
            # nats-py would stop reading at the answer to a cancelled PING.
            await asyncio.shield(answer)
        if self.is_closed:
            raise self.problem

    def name_tasks(self) -> None:
        """Name nats-py's tasks as all our tasks are named."""
        for task in self._tasks():
            task.set_name("broker nats connection")

    async def end(self) -> None:
        """Abort the connection: a frozen server would not answer a farewell."""
        if isinstance(self._transport, TcpTransport) and self._transport._io_writer is not None:
            self._transport._io_writer.transport.abort()
        # nats-py's own `close` would wait for ever after a TLS handshake that failed.
        if tasks := self._tasks():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._reading_task, self._ping_interval_task, self._flusher_task) if task is not None]

    async def note_loss(self) -> None:
        """Wake the tasks that wait for the server."""
        self.lost.set()
        for answer in self._pongs:
            if not answer.done():
                answer.set_result(False)

    async def note_problem(self, error: Exception) -> None:
        """Remember the reason of a loss, or report that the server refused something."""
        if "permissions violation" in str(error).lower() and self.refused is not None:
            self.refused(str(error))
        else:
            self.problem = error if isinstance(error, Error | OSError) else ConnectionError(repr(error))
            self.lost.set()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        channel = self.channels.get(subject.decode())
        if channel is not None:
            self._hear(channel, data)


class NatsBackend(RemoteBackend[NatsConnection]):
    """Publishes and subscribes through NATS."""

    server = "NATS"
    foreseen = (Error,)

    def __init__(self, url: str, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        has_tls = url.startswith("nats+tls:")
        self._address = read_address(url, PORT, has_tls=has_tls, has_tokens=True, names=PREFIXES)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[NatsConnection]:
        connection = NatsConnection(self._hear)
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                await self._connect(connection)
            connection.name_tasks()
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.end()

    async def _connect(self, connection: NatsConnection) -> None:
        host, port = self._address.next_host()
        try:
            await connection.connect(
                f"nats://{f'[{host}]' if ':' in host else host}:{port}",
                name=NAME,
                user=self._address.user if self._address.password else None,
                password=self._address.password,
                token=None if self._address.password else self._address.user,
                tls=self._address.tls,
                tls_hostname=host,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_SECONDS,
                error_cb=connection.note_problem,
                closed_cb=connection.note_loss,
            )
        except NoServersError:
            raise connection.problem from None
        if self._address.tls is not None and not connection._server_info.get("tls_required"):
            raise ConnectionError("the server has no TLS, which nats+tls:// asks for")

    async def _receive(self, connection: NatsConnection) -> None:
        subscriptions: dict[str, Subscription] = {}

        async def ask(joined: set[str], left: set[str]) -> None:
            for channel in left:
                del connection.channels[self._subject(channel)]
                await subscriptions.pop(channel).unsubscribe()
            for channel in joined:
                subject = self._subject(channel)
                connection.channels[subject] = channel
                subscriptions[channel] = await connection.subscribe(subject)
            await connection.confirm()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow_in_time, ask, name="broker nats channels")
            await connection.lost.wait()
            raise connection.problem

    async def _send(self, connection: NatsConnection, batch: Batch) -> None:
        connection.refused = self._refused
        for channel, message in batch:
            try:
                await connection.publish(self._subject(channel), message.encode())
            except MaxPayloadError:
                self._refused(f"its max_payload is {connection.max_payload:,} bytes")
        await connection.confirm()

    def _hear(self, channel: str, data: bytes) -> None:
        self._incoming.put(Event(channel, data.decode(errors="replace")))

    def _subject(self, channel: str) -> str:
        # Spaces, dots and wildcards have a meaning in subjects.
        return f"{self._address.name or NAME}.{quote(channel, safe='').replace('.', '%2E')}"
