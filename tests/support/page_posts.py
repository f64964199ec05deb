"""A page that posts texts over its websocket, without the page."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect

from tests.support.people import Person


@asynccontextmanager
async def page_of(person: Person, path: str = "/live") -> AsyncIterator[ClientConnection]:
    cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
    url = person.server.url.replace("http", "ws", 1) + path
    async with connect(url, origin=person.server.origin, additional_headers={"Cookie": cookie}) as socket:
        yield socket


async def post_over(socket: ClientConnection, text: str, room: int = 1, number: int = 1, client: str = "") -> str:
    """Post a text as a page does, and return the answer to it."""
    await socket.send(f"post {number} {room} {client or uuid4().hex}\n{text}")
    async with asyncio.timeout(15):
        while not re.match(rf"(un)?posted {number}\b", frame := str(await socket.recv())):
            pass
    return frame
