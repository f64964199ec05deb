"""A page's socket without the page: follows the reconnect rules of htmx and of static/js/chat.js."""

import asyncio
import html
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.people import Person

RECONNECT_CODES = {1001, 1005, 1006, 1011, 1012, 1013, 1014}
FIRST_DELAY, LONGEST_DELAY = 0.5, 4.0


@dataclass
class LiveClient:
    """One open room page of a person. `view` is what the page shows: the bodies by message id."""

    person: Person
    room_id: int | None
    url: str = ""
    after: int = 0
    epoch: str = ""
    frames: list[str] = field(default_factory=list)
    view: dict[int, str] = field(default_factory=dict)
    inserted: list[int] = field(default_factory=list)
    closed_with: int | None = None
    connections: int = 0

    def __post_init__(self) -> None:
        self.url = self.url or self.person.server.url
        self._changed = asyncio.Event()
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None

    async def load(self) -> None:
        """Load the page: what it shows, its revision and its epoch."""
        page = (await asyncio.to_thread(self.person.get, f"/rooms/{self.room_id}")).text
        self.after = int(re.findall(r'data-revision="(\d+)"', page)[0])
        self.epoch = re.findall(r"epoch=([0-9a-f-]+)", page)[0]
        self._apply(page)

    async def __aenter__(self) -> "LiveClient":
        if self.room_id is not None:
            await self.load()
        self._task = asyncio.create_task(self._follow())
        async with asyncio.timeout(10):
            await self._connected.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until_shows(self, *texts: str, within: float = 10) -> None:
        """Wait until messages with these bodies are in view."""
        await self.until(lambda: set(texts) <= set(self.view.values()), within)

    async def until(self, condition: Callable[[], bool], within: float = 10) -> None:
        """Wait until a condition holds, looking whenever a frame has arrived."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"{self.person.name} sees {list(self.view.values())[-5:]}, {self.closed_with=}"
            ) from None

    def texts(self) -> list[str]:
        """The bodies in view, in the order of the list."""
        return [body for _, body in sorted(self.view.items())]

    def abort(self) -> None:
        """Lose the connection without a goodbye."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _follow(self) -> None:
        attempt = 0
        while True:
            path = (
                "/live" if self.room_id is None else f"/rooms/{self.room_id}/live?after={self.after}&epoch={self.epoch}"
            )
            try:
                async with connect(self._ws_url(path), additional_headers=self._headers(), compression=None) as socket:
                    self._socket, self.closed_with, attempt = socket, None, 0
                    self.connections += 1
                    self._connected.set()
                    async for frame in socket:
                        self._receive(str(frame))
                    code = socket.close_code
            except ConnectionClosed as error:
                code = error.rcvd.code if error.rcvd else 1006
            except (OSError, InvalidHandshake, TimeoutError):
                code = 1006
            self.closed_with = code
            self._changed.set()
            if code not in RECONNECT_CODES:
                return
            attempt += 1
            delay = min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY)
            await asyncio.sleep(delay * random.uniform(0.7, 1.3))

    def _receive(self, frame: str) -> None:
        self.frames.append(frame)
        self._apply(frame)
        for cursor in re.findall(r'<hx-cursor data-cursor="(\d+)">', frame):
            self.after = int(cursor)
        self._changed.set()

    def _apply(self, markup: str) -> None:
        pattern = r'<li id="m-(\d+)"[^>]*>.*?<div class="body"[^>]*>(.*?)</div>'
        for number, body in re.findall(pattern, markup, re.DOTALL):
            self.inserted.append(int(number))
            self.view[int(number)] = html.unescape(re.sub(r"<[^>]+>", "", body))

    def _ws_url(self, path: str) -> str:
        return self.url.replace("http", "ws", 1) + path

    def _headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.person.client.cookies.items())
        return {"Cookie": cookies, "Origin": self.url}
