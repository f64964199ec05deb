"""A page's socket without the page: follows the reconnect rules of htmx and of static/js/live.js."""

import asyncio
import html
import random
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.people import Person
from tests.support.server import TLS

PARTIAL = r'<hx-partial hx-target="#([\w-]+)" hx-swap="(\w+)">(.*?)</hx-partial>'
RECONNECT_CODES = {1001, 1005, 1006, 1011, 1012, 1013, 1014}
FIRST_DELAY, LONGEST_DELAY = 0.5, 1.5
LOOK_AGAIN = 0.2  # seconds
SILENCE = 38  # seconds after which the page doubts its connection, looking every 5 seconds


@dataclass
class LiveClient:
    """An open room page of a person. `view` holds its messages by id, `doubled` the messages that came twice.

    `longest_away` is how many seconds it was without a connection at most.
    """

    person: Person
    room_id: int | None
    urls: list[str] = field(default_factory=list)
    after: int = 0
    epoch: str = ""
    frames: list[str] = field(default_factory=list)
    view: dict[int, str] = field(default_factory=dict)
    inserted: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    closed_with: int | None = None
    keeps_frames: bool = True
    deliveries: int = 0
    connections: int = 0
    longest_away: float = 0.0

    def __post_init__(self) -> None:
        self.urls = self.urls or [self.person.server.url]
        self._must_reload = False
        self._changed = asyncio.Event()
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None

    async def load(self) -> None:
        """Load the page: its messages, its revision and its epoch."""
        page = await asyncio.to_thread(self.person.get, f"/rooms/{self.room_id}")
        page.raise_for_status()
        self.after = int(re.findall(r'data-revision="(\d+)"', page.text)[0])
        self.epoch = re.findall(r'data-epoch="([0-9a-f-]+)"', page.text)[0]
        self.view.clear()
        self._upsert(page.text)

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

    async def until_sees(self, count: int, within: float = 10) -> None:
        """Wait until so many messages are in view."""
        await self.until(lambda: len(self.view) == count, within)

    async def until(self, condition: Callable[[], bool], within: float = 10) -> None:
        """Wait until a condition holds.

        It is checked after each frame and, as it may be about other pages, now and then.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while not condition() and loop.time() < deadline:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_AGAIN)
        if not condition():
            # Frames that came while the machine stood still show after a moment.
            await asyncio.sleep(LOOK_AGAIN)
        assert condition(), f"{self.person.name} sees {list(self.view.values())[-5:]}, {self.closed_with=}"

    def texts(self) -> list[str]:
        """The bodies in view, in the order of the list."""
        return [body for _, body in sorted(self.view.items())]

    def abort(self) -> None:
        """Lose the connection without a closing handshake."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _follow(self) -> None:
        attempt = 0
        lost_at: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            path = (
                "/live" if self.room_id is None else f"/rooms/{self.room_id}/live?after={self.after}&epoch={self.epoch}"
            )
            url = random.choice(self.urls)
            try:
                if self._must_reload:
                    await self.load()
                    self._must_reload = False
                    continue
                headers = self._headers(url)
                async with connect(
                    url.replace("http", "ws", 1) + path,
                    additional_headers=headers,
                    compression=None,
                    open_timeout=5,
                    ping_interval=None,  # browsers send none
                    ssl=TLS if url.startswith("https") else None,
                ) as socket:
                    self._socket, self.closed_with, attempt = socket, None, 0
                    self.connections += 1
                    if lost_at is not None:
                        self.longest_away = max(self.longest_away, loop.time() - lost_at)
                        lost_at = None
                    self._connected.set()
                    while not self._must_reload:
                        async with asyncio.timeout(SILENCE):
                            self._receive(str(await socket.recv()))
                    code = 1000
            except ConnectionClosed as error:
                code = error.rcvd.code if error.rcvd else 1006
            except (OSError, InvalidHandshake, TimeoutError, httpx.HTTPError):
                code = 1006
            self.closed_with = code
            lost_at = lost_at or loop.time()
            self._changed.set()
            if code not in RECONNECT_CODES and not self._must_reload:
                return
            attempt += 1
            delay = min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY)
            await asyncio.sleep(delay * random.uniform(0.7, 1.3))

    def _receive(self, frame: str) -> None:
        """Treat a frame as htmx does: add new messages, morph loaded messages, ignore others."""
        if frame == "{}":
            return
        if self.keeps_frames:
            self.frames.append(frame)
        self._must_reload = "/reload" in frame
        if frame.startswith("<li"):
            self._upsert(frame)
            self.after = int(re.findall(r'<li id="m-[^>]* data-revision="(\d+)"', frame)[-1])
        for target, swap, items in re.findall(PARTIAL, frame, re.DOTALL):
            if swap == "upsert":
                self._upsert(items)
            elif swap == "outerMorph":
                for number, body in messages_in(items):
                    self.deliveries += 1
                    assert target == f"m-{number}"
                    if number in self.view:
                        self.view[number] = body
        for cursor in re.findall(r'<chat-cursor data-cursor="(\d+)">', frame):
            self.after = int(cursor)
        self._changed.set()

    def _upsert(self, markup: str) -> None:
        for number, body in messages_in(markup):
            if number in self.view:
                self.doubled.append(number)
            self.deliveries += 1
            self.inserted.append(number)
            self.view[number] = body

    def _headers(self, url: str) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.person.client.cookies.items())
        return {"Cookie": cookies, "Origin": url}


def messages_in(markup: str) -> list[tuple[int, str]]:
    """The messages in markup: their ids, and their bodies as text."""
    found = re.findall(r'<li id="m-(\d+)"[^>]*>.*?<div class="body"[^>]*>(.*?)</div>', markup, re.DOTALL)
    return [(int(number), html.unescape(re.sub(r"<[^>]+>", "", body))) for number, body in found]
