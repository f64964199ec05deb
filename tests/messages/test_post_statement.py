"""The statement for one message does what the statement for many does, and asks every right itself."""

import re
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.engine import create_engine
from chat.messages.post_statement import POST_MESSAGE, POST_MESSAGES
from tests.support.databases import execute

pytestmark = pytest.mark.anyio

CLIENT = UUID(int=7)
CHAT = "INSERT INTO installation (name) VALUES ('Chat'); INSERT INTO rooms (kind, name) VALUES ('open', 'Lobby')"
PEOPLE = """
    INSERT INTO users (email, name, password_hash, role, small_picture, large_picture) VALUES
        ('eve@example.org', 'Eve', 'none', 'administrator', gen_random_uuid(), gen_random_uuid()),
        ('mia@example.org', 'Mia', 'none', 'member', NULL, NULL)
"""
SESSIONS = "INSERT INTO sessions (user_id, refresh_hash, expires_at) SELECT id, '', now() + interval '1 day' FROM users"
SEATS = "INSERT INTO memberships (room_id, user_id, role) SELECT 1, id, 'member' FROM users ON CONFLICT DO NOTHING"
SESSION = "SELECT max(sessions.id) FROM sessions JOIN users ON users.id = user_id WHERE users.name = :name"
EARLIER = """
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT 1, id, '{client}', 'a', 'a', false, false, 1, 1, 1, now() FROM users WHERE name = '{name}'
"""
MANY_EARLIER = """
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT 1, 1 + n % 2, gen_random_uuid(), 'a', 'a', false, false, n, n, n, now() FROM generate_series(1, 300) AS n
"""
AFTER = (
    "UPDATE rooms SET revision = 4, message_count = 3, newest_at = now() - interval '{ago}', newest_author_id = {id}"
)
# What is changed before somebody posts, who it is, and whether the statement for one message lets them.
SITUATIONS = [
    ("SELECT", "Mia", True),
    ("SELECT", "Eve", True),
    ("UPDATE rooms SET kind = 'closed'", "Mia", True),
    ("UPDATE rooms SET posting = 'managers'", "Mia", False),
    ("UPDATE rooms SET posting = 'managers'", "Eve", True),
    ("UPDATE rooms SET posting = 'managers'; UPDATE memberships SET role = 'owner'", "Mia", True),
    ("UPDATE rooms SET slow_seconds = 60", "Eve", True),
    ("UPDATE rooms SET archived_at = now()", "Eve", False),
    ("DELETE FROM memberships", "Eve", False),
    ("UPDATE sessions SET revoked_at = now()", "Mia", False),
    ("UPDATE sessions SET expires_at = now() - interval '1 second'", "Mia", False),
    (EARLIER.format(client=CLIENT, name="Mia"), "Mia", False),
    (EARLIER.format(client=CLIENT, name="Eve") + "; UPDATE rooms SET revision = 1, message_count = 1", "Mia", True),
    (AFTER.format(ago="1 minute", id="(SELECT id FROM users WHERE name = 'Mia')"), "Mia", True),
    (AFTER.format(ago="6 minutes", id="(SELECT id FROM users WHERE name = 'Mia')"), "Mia", True),
    (AFTER.format(ago="1 minute", id="1"), "Mia", True),
    (AFTER.format(ago="2 days", id="1"), "Mia", True),
]


async def fill(database_url: str) -> None:
    for statement in (*CHAT.split("; "), PEOPLE, SESSIONS, SEATS):
        await execute(database_url, statement)


async def post(connection: AsyncConnection, name: str, *, alone: bool) -> dict[str, object] | None:
    """Post in a transaction that is rolled back, and return the message without its id."""
    session_id = (await connection.execute(text(SESSION), {"name": name})).scalar_one()
    one = {"session_id": session_id, "room_id": 1, "client_id": CLIENT, "body": "hi", "body_html": "<p>hi</p>"}
    many: dict[str, object] = {
        "session_ids": [session_id],
        "room_ids": [1],
        "client_ids": [CLIENT],
        "bodies": ["hi"],
        "bodies_html": ["<p>hi</p>"],
        "mentions": [""],
        "originals": [None],
    }
    async with connection.begin_nested() as nested:
        rows = await (POST_MESSAGE.rows(connection, **one) if alone else POST_MESSAGES.rows(connection, **many))
        state = (await connection.execute(text("SELECT * FROM rooms WHERE id = 1"))).one()._asdict()
        stored = (await connection.execute(text("SELECT * FROM messages ORDER BY id DESC LIMIT 1"))).one_or_none()
        await nested.rollback()
    if not rows:
        return None
    assert stored is not None
    answer, row = rows[0]._asdict(), stored._asdict()
    known = ("author_name", "author_face", "epoch", "members", "continues", "starts_day", "position", "revision")
    assert answer["created_at"] == row["created_at"] == state["newest_at"]
    return {
        **{name: value for name, value in row.items() if name not in ("id", "created_at")},
        **{f"room's {name}": value for name, value in state.items() if name != "newest_at"},
        **{f"answered {name}": answer[name] for name in known},
    }


@pytest.mark.parametrize(("change", "name", "is_allowed"), SITUATIONS)
async def test_a_single_message_is_posted_like_several(
    database_url: str, change: str, name: str, *, is_allowed: bool
) -> None:
    await fill(database_url)
    database = create_engine(database_url)
    try:
        async with database.connect() as connection:
            for statement in change.split("; "):
                await connection.execute(text(statement))
            alone, among_many = await post(connection, name, alone=True), await post(connection, name, alone=False)
            assert alone == among_many
            assert (alone is not None) is is_allowed
    finally:
        await database.dispose()


async def test_a_slow_rooms_members_are_left_to_the_statement_that_counts_their_seconds(database_url: str) -> None:
    await fill(database_url)
    database = create_engine(database_url)
    try:
        async with database.connect() as connection:
            await connection.execute(text("UPDATE rooms SET slow_seconds = 60"))
            assert await post(connection, "Mia", alone=True) is None
            assert await post(connection, "Mia", alone=False) is not None
    finally:
        await database.dispose()


async def test_batches_of_any_size_are_planned_once(database_url: str) -> None:
    await fill(database_url)
    connection = await asyncpg.connect(database_url)
    try:
        session_id = await connection.fetchval("SELECT max(id) FROM sessions")
        prepared = await connection.prepare(POST_MESSAGES._text)
        for size in (4, 4, 4, 4, 4, 1, 15, 40):
            values = {
                "session_ids": [session_id] * size,
                "room_ids": [1] * size,
                "client_ids": [uuid4() for _ in range(size)],
                "bodies": ["hi"] * size,
                "bodies_html": ["<p>hi</p>"] * size,
                "mentions": [""] * size,
                "originals": [None] * size,
            }
            assert len(await prepared.fetch(*(values[name] for name in POST_MESSAGES._names))) == size
        plans = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1"
        assert tuple(await connection.fetchrow(plans, POST_MESSAGES._text)) == (3, 5)
    finally:
        await connection.close()


async def test_a_repeat_is_found_without_reading_all_messages_of_its_author(database_url: str) -> None:
    await fill(database_url)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(MANY_EARLIER)
        await connection.execute("ANALYZE; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        statement = await connection.prepare(f"EXPLAIN {POST_MESSAGES._text}")
        plan = "\n".join(row[0] for row in await statement.fetch([1], [1], [CLIENT], ["hi"], ["hi"], [""], [None]))
        assert re.search(r"Index Cond: .*author_id = .*client_id = ", plan), plan
    finally:
        await connection.close()
