"""simplechat beside its peers: one process with PostgreSQL and no broker, as small teams run it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from uuid import uuid4

import psutil

from benchmarks.chat import Chat
from benchmarks.measure import SERVER_CORE, handshake
from benchmarks.peers.installed import on_core
from benchmarks.peers.peer import Client, Peer
from benchmarks.peers.wire import Crowd, Done, WebsocketWire, Wire, is_answered, masked, shows
from chat import __version__
from tests.support.databases import execute, run

MEMBERS = """
    INSERT INTO memberships (room_id, user_id, role)
    SELECT $1, user_id, 'member' FROM sessions WHERE id = ANY ($2::bigint[]) ON CONFLICT DO NOTHING
"""


class Page(Client):
    """A member with an open page, who posts over a connection that is kept open."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port, self._cookie = port, cookie
        self._room = self._posts = 0
        self._page: WebsocketWire | None = None
        self._requests: Wire | None = None

    async def enter(self, room: int, place: str) -> None:
        await self._open(room, place, shows(b"\r\n\r\n"))

    async def return_to(self, room: int, place: str, last: bytes) -> None:
        await self._open(room, place, shows(last))

    async def post(self, text: str) -> None:
        assert self._page is not None
        self._posts += 1
        frame = masked(f"post {self._posts} {_id_of(self._room)} {uuid4().hex}\n{text}".encode())
        await self._page.ask(frame, shows(f"posted {self._posts} ".encode()))

    async def newest(self) -> int:
        return (await self._request("GET", "")).count(b"<li id=")

    def count_for(self, crowd: Crowd) -> None:
        assert self._page is not None
        self._page.crowd = crowd

    def close(self) -> None:
        for wire in (self._page, self._requests):
            if wire is not None:
                wire.close()

    async def _open(self, room: int, place: str, done: Done) -> None:
        self._room = room
        self._page = await WebsocketWire.open(self._port)
        await self._page.ask(handshake(self._port, f"/rooms/{_id_of(room)}/live?{place}", self._cookie).encode(), done)

    async def _request(self, method: str, path: str, body: str = "") -> bytes:
        if self._requests is None:
            self._requests = await Wire.open(self._port)
        host = f"127.0.0.1:{self._port}"
        head = f"{method} /rooms/{_id_of(self._room)}{path} HTTP/1.1\r\nHost: {host}\r\nCookie: {self._cookie}\r\n"
        if body:
            head += (
                f"Origin: http://{host}\r\nHX-Request: true\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
            )
        answer = await self._requests.ask(f"{head}\r\n{body}".encode(), is_answered)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{answer[:500]!r}")
        return answer


class Simplechat(Peer):
    """The chat, with people who are members of the rooms that they enter."""

    name = "simplechat"
    version = __version__

    def __init__(self, chat: Chat, members: Mapping[int, Sequence[int]]) -> None:
        self._chat, self._server, self.database = chat, chat.servers[0], chat.postgres
        for room, people in members.items():
            sessions = [chat.sessions[person] for person in people]
            run(execute(chat.postgres.url, MEMBERS, _id_of(room), sessions))
        run(execute(chat.postgres.url, "ANALYZE"))

    def start(self) -> None:
        with on_core(SERVER_CORE):
            self._server.start()

    def kill(self) -> None:
        self._server.kill()

    def remove(self) -> None:
        self._server.remove()

    def processes(self) -> Sequence[psutil.Process]:
        return [self._chat.meter(self._server)]

    async def client(self, number: int) -> Page:
        return Page(self._server.port, self._chat.cookie(number))

    async def place(self, room: int) -> str:
        page = (await asyncio.to_thread(self._chat.administrator.get, f"/rooms/{_id_of(room)}")).text
        revision, epoch = (re.findall(rf'data-{name}="([0-9a-f-]+)"', page)[0] for name in ("revision", "epoch"))
        return f"after={revision}&epoch={epoch}"


def _id_of(room: int) -> int:
    """Return the id of a room; the first is the lobby, which everybody is in."""
    return room + 1
