"""Authors who write, edit and delete while everything breaks, and repeat each change until it is acknowledged."""

import asyncio
import html
import random
import re
from base64 import b64encode
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TypedDict, Unpack
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.people import Person
from tests.support.server import TLS
from tests.support.uploading import TUS

DELETED = "This message was deleted."
# Longer than a server needs for a change. If a writer gave a change up, it could be committed after a later change was
# acknowledged, and that later change would look lost.
TIMEOUT = 15
WITH_FILE = 0.1  # the share of messages
OVER_SOCKET = 0.5  # the share of messages without files, as a page posts short texts
PATIENCE = 3  # seconds after which a page sends a text as a form


class Content(TypedDict, total=False):
    """The content of a request: a form, or bytes and headers."""

    data: dict[str, str]
    content: bytes
    headers: dict[str, str]


@dataclass
class Writer:
    """An author writing into some rooms. `texts` holds the final text of each acknowledged message, by id.

    `files` holds the files of those that have one: servers must share a store. `refusals` holds the status of each
    answer that made it try again.
    """

    person: Person
    urls: list[str]
    rooms: list[int]
    chance: random.Random
    sends_files: bool = False
    texts: dict[int, str] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    room_of: dict[int, int] = field(default_factory=dict)
    acknowledged: int = 0
    retries: int = 0
    refusals: list[int] = field(default_factory=list)
    is_done: bool = False
    posted_over_socket: int = 0
    _page: ClientConnection | None = None

    async def write(self, until: float, pause: float = 0.02) -> None:
        """Post, edit and delete until it `is_done` or a moment of the loop's clock.

        After each there is a `pause` of at most so many seconds.
        """
        loop = asyncio.get_running_loop()
        number = 0
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._browser())
            stack.push_async_callback(self._close_page)
            while loop.time() < until and not self.is_done:
                number += 1
                mine = [message for message, text in self.texts.items() if text != DELETED]
                kind = self.chance.random()
                if kind < 0.75 or not mine:
                    await self._post(client, number, self.chance.choice(self.rooms))
                elif kind < 0.93:
                    await self._edit(client, self.chance.choice(mine), number)
                else:
                    await self._delete(client, self.chance.choice(mine))
                self.acknowledged += 1
                await asyncio.sleep(self.chance.uniform(0, pause))

    async def post(self, room: int) -> None:
        """Post another message into a room."""
        async with self._browser() as client:
            await self._post(client, 0, room)
        await self._close_page()

    def _browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=TLS, cookies=self.person.client.cookies, timeout=TIMEOUT)

    async def _post(self, client: httpx.AsyncClient, number: int, room: int) -> None:
        body = f"{self.person.name} says {number} {uuid4()}"
        fields = {"body": body, "client_id": str(uuid4())}
        file = self.chance.randbytes(20_000) if self.sends_files and self.chance.random() < WITH_FILE else None
        if file:
            fields["upload"] = await self._upload(client, room, file)
        over_socket = not file and self.chance.random() < OVER_SOCKET
        answer = await self._post_over_socket(room, fields) if over_socket else ""
        if not answer:
            answer = (await self._insist(client, "POST", f"/rooms/{room}/messages", {200}, data=fields)).text
        message = int(re.findall(r'<li id="m-(\d+)"', answer)[0])
        assert html.escape(body) in answer
        assert message not in self.texts, "each message has an id of its own"
        self.texts[message], self.room_of[message] = body, room
        if file:
            self.files[message] = file

    async def _post_over_socket(self, room: int, fields: dict[str, str]) -> str:
        """Post a text as a page does; return its markup, "" when it must be sent as a form."""
        number = self.acknowledged
        try:
            async with asyncio.timeout(PATIENCE):
                if self._page is None:
                    self._page = await self._open_page()
                await self._page.send(f"post {number} {room} {fields['client_id'].replace('-', '')}\n{fields['body']}")
                while not (found := re.match(rf"(un)?posted {number}\b", answer := str(await self._page.recv()))):
                    pass
        except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed):
            self._page = None
            return ""
        self.posted_over_socket += not found[1]
        return "" if found[1] else answer

    async def _close_page(self) -> None:
        if self._page is not None:
            await self._page.close()
            self._page = None

    async def _open_page(self) -> ClientConnection:
        url = self.chance.choice(self.urls)
        cookies = "; ".join(f"{name}={value}" for name, value in self.person.client.cookies.items())
        tls = TLS if url.startswith("https") else None
        headers = {"Cookie": cookies, "Origin": url}
        return await connect(f"ws{url[4:]}/live", additional_headers=headers, ssl=tls)

    async def _upload(self, client: httpx.AsyncClient, room: int, file: bytes) -> str:
        """Upload a file in parts, each to whichever server takes it; returns its number."""
        metadata = f"filename {b64encode(b'notes.bin').decode()},id {b64encode(str(uuid4()).encode()).decode()}"
        headers = {**TUS, "Upload-Length": str(len(file)), "Upload-Metadata": metadata}
        begun = await self._insist(client, "POST", f"/rooms/{room}/uploads", {201}, headers=headers)
        offset, path = 0, begun.headers["location"]
        while offset < len(file):
            headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            part = file[offset : offset + self.chance.randint(5_000, 20_000)]
            # An earlier try may have succeeded although its answer was lost; 409 tells how far the file has grown.
            sent = await self._insist(client, "PATCH", path, {204, 409}, headers=headers, content=part)
            offset = int(sent.headers["upload-offset"])
        return path.rpartition("/")[2]

    async def _edit(self, client: httpx.AsyncClient, message: int, number: int) -> None:
        body = f"{self.person.name} corrects {number} {uuid4()}"
        await self._insist(client, "POST", f"/messages/{message}/edit", {200}, data={"body": body})
        self.texts[message] = f"{body} (edited)"

    async def _delete(self, client: httpx.AsyncClient, message: int) -> None:
        # An earlier try may have succeeded although its answer was lost.
        await self._insist(client, "POST", f"/messages/{message}/delete", {200, 404})
        self.texts[message] = DELETED
        self.files.pop(message, None)

    async def _insist(
        self, client: httpx.AsyncClient, method: str, path: str, accepted: set[int], **carried: Unpack[Content]
    ) -> httpx.Response:
        """Send the same request until it is acknowledged, to whichever server takes it."""
        began = self.retries
        while True:
            url = self.chance.choice(self.urls)
            headers = {"Origin": url, "HX-Request": "true", **carried.get("headers", {})}
            content, fields = carried.get("content"), carried.get("data")
            try:
                answer = await client.request(method, f"{url}{path}", content=content, data=fields, headers=headers)
            except httpx.TransportError:
                answer = None
            except asyncio.CancelledError:
                tries = self.retries - began
                print(f"{self.person.name} waits for {method} {path} at {url}: {tries} tries, {self.refusals[-3:]}")
                raise
            if answer is not None and answer.status_code in accepted:
                return answer
            assert answer is None or answer.status_code >= 500, f"{answer.status_code}: {answer.text[-500:]}"
            if answer is not None:
                self.refusals.append(answer.status_code)
            self.retries += 1
            await asyncio.sleep(self.chance.uniform(0.02, 0.2))
