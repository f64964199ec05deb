"""A chat in which every route has something to show, and four kinds of visitors."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx

from chat.accounts.tokens import Signer
from chat.ids import SessionId
from tests.support.databases import fresh_database
from tests.support.people import browser, first_run, sign_up
from tests.support.server import SECRET_KEY, ChatServer, ForkedServer
from tests.support.tables import Tables, tables_of

# Carol is in the chat but not in the room; Bob is in it and wrote the message; Alice owns it and administers the chat.
VISITORS = ("nobody", "carol", "bob", "alice")

_PLACE = """
    WITH room AS (
        INSERT INTO rooms (kind, name, revision, message_count, small_picture, large_picture)
        VALUES ('closed', $1, 1, 1, $5, $5) RETURNING id
    ), face AS (
        UPDATE users SET small_picture = $5, large_picture = $5 WHERE id = $4
    ), logo AS (
        UPDATE installation SET small_picture = $5, large_picture = $5
    ), seats AS (
        INSERT INTO memberships (room_id, user_id, role)
        SELECT id, unnest(ARRAY[$3, $4]::bigint[]), unnest(ARRAY['owner', 'member']) FROM room
    ), message AS (
        INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
            posted_revision, revision, created_at)
        SELECT id, $4, gen_random_uuid(), 'hello', '<p>hello</p>', false, true, 1, 1, 1, now() FROM room RETURNING id
    ), upload AS (
        INSERT INTO files (client_id, author_id, room_id, name, size)
        SELECT gen_random_uuid(), $4, id, 'photo.png', 5 FROM room RETURNING id
    ), file AS (
        INSERT INTO files (client_id, author_id, room_id, message_id, place, name, size, received, object, bytes, kind,
            thumbnail, finished_at)
        SELECT gen_random_uuid(), $4, room.id, message.id, 1, 'plan.txt', 5, 5, $5, 5, 'text/plain', $5, now()
        FROM room, message RETURNING id
    ), preview AS (
        INSERT INTO link_previews (address, host, expires_at, title, picture, picture_kind, width, height)
        VALUES ('https://example.org/', 'example.org', now(), 'An example', $5, 'image/webp', 1, 1) RETURNING id
    ), link AS (
        INSERT INTO message_links (message_id, place, address, preview_id)
        SELECT message.id, 1, 'https://example.org/', preview.id FROM message, preview
    ), invite AS (
        INSERT INTO invites (token, room_id, made_by) SELECT $2, id, $3 FROM room RETURNING id
    )
    SELECT room.id AS room_id, message.id AS message_id, invite.id AS invite_id,
        upload.id AS upload_id, file.id AS file_id, preview.id AS preview_id
    FROM room, message, invite, upload, file, preview
"""


@dataclass
class World:
    """The server, its tables, and the visitors."""

    server: ChatServer
    tables: Tables
    people: dict[str, int]
    stranger: httpx.Client  # sends no cookies

    def place(self) -> dict[str, int | str]:
        """A new closed room of Alice's with a message of Bob's: the values of the parameters in paths."""
        alice, bob = self.people["alice"], self.people["bob"]
        name, token = f"Board {secrets.token_hex(4)}", secrets.token_urlsafe(18)
        key = self._stored(b"hello")
        made = self.tables.row(_PLACE, name, token, alice, bob, key)
        return {
            "room_id": made["room_id"],
            "message_id": made["message_id"],
            "upload_id": made["upload_id"],
            "preview_id": made["preview_id"],
            "scale": 1,
            "version": key.hex[:12],
            "side": 96,
            "file_id": made["file_id"],
            "position": 1,
            "user_id": bob,
            "session_id": self.session_of("bob"),
            "token": token,
            "invite_id": made["invite_id"],
            "name": name,
        }

    def _stored(self, content: bytes) -> UUID:
        """Put an object into the store of files; returns its key."""
        key = uuid4()
        place = self.server.files / key.hex[:2] / key.hex
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return key

    def session_of(self, visitor: str) -> int:
        """Insert a new session of a visitor; returns its id."""
        return self.tables.value(
            "INSERT INTO sessions (user_id, refresh_hash, expires_at)"
            " VALUES ($1, $2, now() + interval '1 day') RETURNING id",
            self.people[visitor],
            hashlib.sha256(secrets.token_bytes(16)).digest(),
        )

    def cookies_of(self, visitor: str) -> dict[str, str]:
        """The cookies of a new sign-in; none for a stranger."""
        if visitor == "nobody":
            return {}
        token = Signer(SECRET_KEY).access_token(SessionId(self.session_of(visitor)), datetime.now(UTC))
        return {"simplechat-access": token}

    def client(self, visitor: str) -> httpx.Client:
        """A visitor's browser with a new sign-in."""
        client = browser(self.server)
        client.cookies.update(self.cookies_of(visitor))
        return client


@contextmanager
def world(**environment: str) -> Iterator[World]:
    """A chat that is set up, with three people in it."""
    with fresh_database() as url, tables_of(url) as tables:
        server = ForkedServer(url, **{"MAX_UPLOADS": "10000", **environment})
        try:
            server.start()
            tables.watch()
            alice = first_run(server)
            people = {"alice": alice, "bob": sign_up(server, "Bob Brown"), "carol": sign_up(server, "Carol Clark")}
            ids = {name: person.id for name, person in people.items()}
            with httpx.Client(base_url=server.url, timeout=60) as stranger:
                yield World(server, tables, ids, stranger)
        finally:
            server.remove()
