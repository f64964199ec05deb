"""A private synapse with its data in PostgreSQL, and a client of Matrix's client-server API."""

import asyncio
import itertools
import json
import re
import subprocess
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from urllib.parse import quote

from benchmarks.peers.installed import Installed
from benchmarks.peers.peer import Client, Peer
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.wire import Crowd, Wire, is_answered
from benchmarks.programs import found
from chat.database import embedded
from tests.support.people import PASSWORD
from tests.support.postgres_server import PostgresServer
from tests.support.server import SECRET_KEY

API = "/_matrix/client/v3"
NO_LIMIT = {"per_second": 1_000_000, "burst_count": 1_000_000}
NO_LIMITS = {
    "rc_message": NO_LIMIT,
    "rc_registration": NO_LIMIT,
    "rc_joins": {"local": NO_LIMIT, "remote": NO_LIMIT},
    "rc_joins_per_room": NO_LIMIT,
    "rc_login": {"address": NO_LIMIT, "account": NO_LIMIT},
}
MESSAGES_ONLY = quote('{"types":["m.room.message"]}')


class MatrixClient(Client):
    """A member with an access token, who waits for news."""

    def __init__(self, peer: "Synapse", token: str) -> None:
        self._peer, self._token = peer, token
        self._requests = self._news = Wire()
        self._room = ""
        self._following: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)

    async def enter(self, room: int, place: str) -> None:
        await self._connect(room)
        self._following = asyncio.create_task(self._follow(place))

    async def return_to(self, room: int, place: str, last: bytes) -> None:
        await self._connect(room)
        answer = await self._ask(self._news, "GET", self._sync(place, 0))
        if last not in answer:
            raise RuntimeError(f"{last!r} is missing: {answer[-500:]!r}")
        self._following = asyncio.create_task(self._follow(_value_in(answer, "next_batch")))

    async def post(self, text: str) -> None:
        path = f"/rooms/{self._room}/send/m.room.message/{self._token[-8:]}{next(self._numbers)}"
        await self._ask(self._requests, "PUT", path, {"msgtype": "m.text", "body": text})

    async def newest(self) -> int:
        path = f"/rooms/{self._room}/messages?dir=b&limit=50&filter={MESSAGES_ONLY}"
        return (await self._ask(self._requests, "GET", path)).count(b'"m.room.message"')

    async def place(self, room: int) -> str:
        """Return the present end of the history of all rooms."""
        await self._connect(room)
        return _value_in(await self._ask(self._requests, "GET", self._sync("", 0)), "next_batch")

    def count_for(self, crowd: Crowd) -> None:
        self._news.crowd = crowd

    def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._requests.close()
        self._news.close()

    async def _connect(self, room: int) -> None:
        self._room = self._peer.rooms[room]
        self._requests, self._news = await Wire.open(self._peer.port), await Wire.open(self._peer.port)

    async def _follow(self, place: str) -> None:
        while True:
            place = _value_in(await self._ask(self._news, "GET", self._sync(place, 30_000)), "next_batch")

    def _sync(self, place: str, patience: int) -> str:
        nothing: dict[str, list[str]] = {"types": []}
        room = {"rooms": [self._room], "timeline": {"limit": 50}, "ephemeral": nothing, "account_data": nothing}
        wanted = {"room": {**room, "state": {"lazy_load_members": True}}, "presence": nothing, "account_data": nothing}
        since = f"&since={place}" if place else ""
        return f"/sync?timeout={patience}&filter={quote(json.dumps(wanted))}{since}"

    async def _ask(self, wire: Wire, method: str, path: str, body: object = None) -> bytes:
        return await request(wire, method, path, self._token, body)


async def request(wire: Wire, method: str, path: str, token: str = "", body: object = None) -> bytes:
    """Call the API."""
    content = json.dumps(body) if body is not None else ""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"{method} {API}{path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: {len(content)}\r\n\r\n"
    answer = await wire.ask((head + content).encode(), is_answered)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{method} {path}: {answer[:500]!r}")
    return answer


def _value_in(answer: bytes, name: str) -> str:
    value: str = re.findall(f'"{name}":"([^"]+)"', answer.decode())[0]
    return value


class Synapse(Installed, Peer):
    """synapse without limits, presence and federation; its people are members of the rooms that they enter."""

    name = "synapse"

    def __init__(self, sizes: Sizes) -> None:
        self._program = found("synapse_homeserver")
        super().__init__()
        self._members = sizes.members()
        self._configuration = self.folder / "homeserver.json"
        self._configuration.write_text(json.dumps(self._settings(self.own_database())))
        log = {"version": 1, "root": {"level": "ERROR"}}
        (self.folder / "log.json").write_text(json.dumps(log))
        subprocess.run([*self._command(), "--generate-keys"], check=True, capture_output=True)
        self.rooms: dict[int, str] = {}
        self._tokens: dict[int, str] = {}

    @property
    def version(self) -> str:
        code = "from importlib.metadata import version; print(version('matrix-synapse'))"
        python = Path(self._program).with_name("python")
        return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    def start(self) -> None:
        super().start()
        if not self._tokens:
            asyncio.run(self._move_in())

    async def client(self, number: int) -> MatrixClient:
        return MatrixClient(self, self._tokens[number])

    async def place(self, room: int) -> str:
        member = await self.client(self._members[room][0])
        place = await member.place(room)
        member.close()
        return place

    def _command(self) -> list[str]:
        return [self._program, "-c", str(self._configuration)]

    def _settings(self, postgres: PostgresServer) -> dict[str, object]:
        resources = [{"names": ["client"], "compress": False}]
        connection = {"host": "127.0.0.1", "port": postgres.port, "user": "postgres", "database": embedded.DATABASE}
        return {
            "server_name": "localhost",
            "listeners": [
                {"port": self.port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": resources},
            ],
            "database": {"name": "psycopg2", "allow_unsafe_locale": True, "args": {**connection, "cp_max": 10}},
            "log_config": str(self.folder / "log.json"),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(self.folder / "signing.key"),
            "pid_file": str(self.folder / "pid"),
            "macaroon_secret_key": SECRET_KEY,
            "form_secret": SECRET_KEY,
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "report_stats": False,
            "suppress_key_server_warning": True,
            "trusted_key_servers": [],
            "presence": {"enabled": False},
            "bcrypt_rounds": 4,
            **NO_LIMITS,
        }

    async def _move_in(self) -> None:
        """Register everybody, open the rooms, and let their members join."""
        await _in_turn(self._register, {person for members in self._members.values() for person in members})
        for room, (owner, *others) in self._members.items():
            wire = await Wire.open(self.port)
            wanted = {"preset": "public_chat", "name": f"Room {room}"}
            answer = await request(wire, "POST", "/createRoom", self._tokens[owner], wanted)
            wire.close()
            self.rooms[room] = _value_in(answer, "room_id")
            await _in_turn(partial(self._join, self.rooms[room]), others)

    async def _register(self, person: int) -> None:
        wire = await Wire.open(self.port)
        account = {"username": f"person{person}", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        answer = await request(wire, "POST", "/register", body=account)
        self._tokens[person] = _value_in(answer, "access_token")
        wire.close()

    async def _join(self, room: str, person: int) -> None:
        wire = await Wire.open(self.port)
        await request(wire, "POST", f"/join/{quote(room)}", self._tokens[person], {})
        wire.close()


async def _in_turn(act: Callable[[int], Awaitable[None]], people: Iterable[int]) -> None:
    """Let people act, a few at a time."""
    turns = asyncio.Semaphore(8)

    async def act_in_turn(person: int) -> None:
        async with turns:
            await act(person)

    await asyncio.gather(*map(act_in_turn, people))
