"""A websocket that begins with the request that the HTTP parser has read.

uvicorn's own protocol writes the request down again for another parser, and makes a queue and a parser of frames, which
an open page hardly ever needs: a third of what a connection cost. The class depends on the internals of uvicorn 0.54.0;
`tests/live/test_wire.py` checks every part it uses.
"""

import asyncio
import logging
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from starlette.types import Message, Scope
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

Headers = Iterable[tuple[bytes, bytes]]

LOGGER = logging.getLogger("uvicorn.error")
CLOSE_SECONDS = 10.0
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n"
)


def answer_to(headers: Headers) -> bytes | None:
    """Return the proof that a handshake was read; None if it lacks what RFC 6455, 4.2.1 demands, or has a body."""
    keys, versions = [], []
    for name, value in headers:
        if name == b"sec-websocket-key":
            keys.append(value)
        elif name == b"sec-websocket-version":
            versions.append(value)
        elif name in (b"content-length", b"transfer-encoding"):
            return None
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]) or versions != [b"13"]:
        return None
    return accept_key(keys[0].decode()).encode()


class _Unused:
    """Stands in for a queue, an event and a timer that no part of the chat waits for."""

    def put_nowait(self, item: object) -> None:
        pass

    async def wait(self) -> None:
        pass

    def set(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def cancel(self) -> None:
        pass


UNUSED: Any = _Unused()


class UpgradedProtocol(WebSocketsSansIOProtocol):
    """A websocket whose application is handed the first event, and takes frames by other ways than `receive`."""

    logger = LOGGER
    queue = writable = UNUSED
    handshake_initiated = handshake_complete = close_sent = disconnected = read_paused = False
    close_timer: asyncio.TimerHandle | None = None
    pending_ping_payload: bytes | None = None
    initial_response = ping_timer = pong_timer = None
    ping_interval = None  # live/pulse.py pings
    ping_sent_at = 0.0
    client = None  # only named in lines that are not logged
    close_timeout = CLOSE_SECONDS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # Not uvicorn's own, for what it makes.
        self.config = config
        self.app = config.loaded_app
        self.loop = _loop or asyncio.get_running_loop()
        self.connections = server_state.connections
        self.tasks = server_state.tasks
        self.default_headers = server_state.default_headers
        self.frames = []

    @cached_property
    def conn(self) -> ServerProtocol:  # type: ignore[override]  # made when it is needed
        """The parser and writer of frames. Pings, their answers, and what the chat sends need none."""
        return ServerProtocol(max_size=self.config.ws_max_size, logger=LOGGER, state=State.OPEN)

    def begin(self, transport: asyncio.Transport, scope: Scope, url: bytes, answer: bytes) -> None:
        """Take a connection over with the scope of its request, and call the application."""
        self.transport = transport
        self.connections.add(self)
        self._answer = answer
        path, _, query = url.partition(b"?")
        root = scope["root_path"]
        del scope["method"]
        scope.update(
            type="websocket",
            asgi={**scope["asgi"], "spec_version": "2.4"},
            scheme="wss" if scope["scheme"] == "https" else "ws",
            path=root + unquote(path.decode("ascii")),
            raw_path=root.encode("ascii") + path,
            query_string=query,
            subprotocols=[],
            extensions={"websocket.http.response": {}},
        )
        self.scope = scope  # type: ignore[assignment]  # uvicorn's type is of the keys above
        self.handshake_initiated = True
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def receive(self) -> Message:  # type: ignore[override]  # Starlette's types
        """Return the event that begins a websocket, the only one that the application asks for."""
        return {"type": "websocket.connect"}

    async def send(self, message: Message) -> None:  # type: ignore[override]  # Starlette's types
        if message["type"] != "websocket.accept" or self.handshake_complete or self.initial_response is not None:
            await super().send(message)  # type: ignore[arg-type]  # as above
        elif not self.transport.is_closing():
            self.handshake_complete = True
            headers = (*self.default_headers, *message.get("headers", ()))
            lines = [name + b": " + value + b"\r\n" for name, value in headers]
            self.transport.write(b"".join((_ACCEPTED % self._answer, *lines, b"\r\n")))
            self.start_keepalive()
