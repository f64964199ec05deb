"""The whole product under load: PostgreSQL, Redis, server processes, signed-in members in their rooms."""

import re
from contextlib import ExitStack
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import uuid4

import psutil

from benchmarks.measure import SERVER_CORE, Http, handshake, pin
from chat.accounts.tokens import Signer
from chat.ids import SessionId
from tests.support.databases import execute, query, run
from tests.support.people import Person, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server import SECRET_KEY, ChatServer

SEED = """
    WITH people AS (
        INSERT INTO users (email, name, password_hash, role)
        SELECT 'person' || n || '@example.org', 'Person ' || n, 'none', 'member' FROM generate_series(1, {people}) AS n
        RETURNING id
    ), rooms AS (
        INSERT INTO rooms (kind, name) SELECT 'open', 'Room ' || n FROM generate_series(2, {rooms}) AS n RETURNING id
    ), signed_in AS (
        INSERT INTO sessions (user_id, refresh_hash, expires_at) SELECT id, '', now() + interval '30 days' FROM people
    ), in_lobby AS (
        INSERT INTO memberships (room_id, user_id, role) SELECT 1, id, 'member' FROM people
    )
    INSERT INTO memberships (room_id, user_id, role) SELECT id, 1, 'member' FROM rooms
"""


class Chat:
    """A number of server processes (on ports of their own), of people in room 1, and of rooms of the administrator."""

    def __init__(self, processes: int = 1, people: int = 1000, rooms: int = 1, *, broker: bool = True) -> None:
        self._stack = ExitStack()
        self.postgres, redis = PostgresServer(), RedisServer()
        self._stack.callback(self.postgres.remove)
        if broker:
            redis.start()
            self._stack.callback(redis.stop)
        self.servers = [ChatServer(self.postgres.url, redis.url if broker else None) for _ in range(processes)]
        for server in self.servers:
            self._stack.callback(server.remove)
            server.start()
        self.administrator: Person = first_run(self.servers[0])
        run(execute(self.postgres.url, SEED.format(people=people, rooms=rooms)))
        run(execute(self.postgres.url, "ANALYZE"))
        self.sessions = [row["id"] for row in query(self.postgres.url, "SELECT id FROM sessions ORDER BY id")]
        self._signer = Signer(SECRET_KEY)
        for server in self.servers:
            pin(self.meter(server), SERVER_CORE)

    def meter(self, server: ChatServer) -> psutil.Process:
        assert server.process is not None
        return psutil.Process(server.process.pid)

    def cookies(self, count: int) -> list[str]:
        """Return access tokens of `count` people, the administrator's first."""
        return [self.cookie(number) for number in range(count)]

    def cookie(self, number: int) -> str:
        """Return an access token of a person, which is good for some minutes; 0 is the administrator."""
        token = self._signer.access_token(SessionId(self.sessions[number % len(self.sessions)]), datetime.now(UTC))
        return f"simplechat-access={token}"

    def handshakes(self, server: ChatServer, count: int, room_id: int = 1) -> list[str]:
        """Return the handshakes with which the pages of `count` members connect to a room."""
        page = self.administrator.get(f"/rooms/{room_id}").text
        after, epoch = re.findall(r'data-revision="(\d+)"', page)[0], re.findall(r'data-epoch="([0-9a-f-]+)"', page)[0]
        path = f"/rooms/{room_id}/live?after={after}&epoch={epoch}"
        return [handshake(server.port, path, cookie) for cookie in self.cookies(count)]

    def close(self) -> None:
        self._stack.close()


class Author:
    """A member who posts over a connection that is kept open."""

    def __init__(self, chat: Chat, server: ChatServer) -> None:
        self._http = Http(
            server.port,
            f"Origin: {server.url}\r\nHX-Request: true\r\nCookie: {chat.cookies(1)[0]}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n",
        )

    def post(self, body: str, room_id: int = 1) -> str:
        """Post a message and return the answer's markup."""
        fields = urlencode({"body": body, "client_id": str(uuid4())})
        return self._http.post(f"/rooms/{room_id}/messages", fields.encode()).decode()
