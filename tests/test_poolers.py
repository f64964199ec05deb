"""A pooler in front of PostgreSQL, and the settings left on its connections: real PgBouncers, a real server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from chat.database.engine import create_engine, reading
from chat.database.poolers import connect, pooling_of
from tests.support.databases import execute, query, run
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_up
from tests.support.pgbouncer import PgBouncer, find_pgbouncer
from tests.support.redis_server import RedisServer
from tests.support.server import ROOT, SECRET_KEY, ChatServer
from tests.test_start import CLEAN, settings_error

POSTS = 200

RECORD_SETTING = """
    CREATE TABLE setting_at_commit (value text);
    CREATE FUNCTION record_setting() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO setting_at_commit VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER records AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION record_setting();
"""


@pytest.fixture
def start_pooler(database_url: str) -> Iterator[Callable[..., PgBouncer]]:
    """Start poolers: `start_pooler(database_url, mode="session", size=1)`."""
    if find_pgbouncer() is None and "CI" not in os.environ:
        pytest.skip("pgbouncer is not installed")
    poolers: list[PgBouncer] = []

    def start(
        url: str = database_url, *, mode: str = "transaction", size: int = 4, round_robin: bool = False
    ) -> PgBouncer:
        poolers.append(PgBouncer(url, mode=mode, size=size, round_robin=round_robin))
        return poolers[-1]

    yield start
    for pooler in poolers:
        pooler.remove()


def keep_the_servers_setting(database_url: str) -> None:
    """The setting of the server is `local`, which only this test uses."""
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    run(execute(database_url, f"ALTER DATABASE {name} SET synchronous_commit = 'local'"))
    run(execute(database_url, RECORD_SETTING))


def post_together(people: list[Person], posts: int) -> list[int]:
    """Many posts by several people at the same time; returns their status codes."""

    def post(number: int) -> int:
        client_id, status = str(uuid4()), 503
        # On a very slow machine the database seems unavailable: retry, as the page does.
        for _ in range(20):
            status = people[number % len(people)].post(1, f"message {number}", client_id).status_code
            if status != 503:
                break
        return status

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(post, range(posts)))


@pytest.mark.parametrize("way", ["directly", "beside a pooler", "through a pooler"])
def test_every_acknowledged_post_is_committed_with_the_servers_own_setting(
    way: str,
    start_server: Callable[..., ChatServer],
    start_pooler: Callable[..., PgBouncer],
    redis_server: RedisServer,
    database_url: str,
) -> None:
    keep_the_servers_setting(database_url)
    match way:
        case "directly":
            server = start_server(database_url, WEB_CONCURRENCY="2")
        case "beside a pooler":
            server = start_server(start_pooler().url, WEB_CONCURRENCY="2", BROADCAST_URL=database_url)
        case _:
            server = start_server(start_pooler().url, redis_server.url, WEB_CONCURRENCY="2")
    people = [first_run(server), *(sign_up(server, f"Person {number}") for number in range(3))]
    assert post_together(people, POSTS) == [200] * POSTS
    settings = query(database_url, "SELECT value, count(*) AS posts FROM setting_at_commit GROUP BY value")
    assert [tuple(row) for row in settings] == [("local", POSTS)]


def test_pages_forms_sockets_and_search_work_through_a_rotating_pooler(
    start_server: Callable[..., ChatServer], start_pooler: Callable[..., PgBouncer], database_url: str
) -> None:
    server = start_server(start_pooler(round_robin=True).url)
    alice, bob = first_run(server), sign_up(server, "Bob Brown")
    room = alice.create_room("Garden")
    assert bob.join(room).status_code == 303

    async def talk() -> None:
        async with LiveClient(bob, room) as reader:
            for number in range(20):
                assert (await asyncio.to_thread(alice.post, room, f"word{number}")).status_code == 200
            await reader.until_sees(20)

    asyncio.run(talk())
    with ThreadPoolExecutor(8) as pool:
        pages = ["/rooms", f"/rooms/{room}", "/profile", "/mentions", "/search?q=word1", "/admin"]
        codes = list(pool.map(lambda number: alice.get(pages[number % len(pages)]).status_code, range(60)))
    assert set(codes) == {200}
    server.until_logged("through a pooler")
    assert "ERROR" not in server.log


def test_the_chat_recovers_when_a_pooler_is_restarted_or_added(
    start_server: Callable[..., ChatServer], start_pooler: Callable[..., PgBouncer], database_url: str
) -> None:
    pooler = start_pooler(mode="session", size=40)
    server = start_server(pooler.url)
    alice = first_run(server)
    pooler.kill()
    assert alice.post(1, "lost?").status_code == 503
    pooler.start()
    codes = [alice.post(1, f"{number}").status_code for number in range(20)]
    assert codes[-15:] == [200] * 15
    assert 500 not in codes


def test_migrations_and_backups_run_through_a_pooler(
    start_pooler: Callable[..., PgBouncer], database_url: str, tmp_path: object
) -> None:
    environment = CLEAN | {"DATABASE_URL": start_pooler(round_robin=True).url, "SECRET_KEY": SECRET_KEY}
    for command in (
        ["-m", "alembic", "downgrade", "-1"],
        ["-m", "alembic", "upgrade", "head"],
        ["-m", "chat", "backup", f"{tmp_path}/backup"],
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [{}, {"round_robin": True}, {"size": 1}, {"size": 2, "round_robin": True}])
def test_a_pooler_in_transaction_mode_is_recognised(
    start_pooler: Callable[..., PgBouncer], options: dict[str, object]
) -> None:
    assert asyncio.run(pooling_of(start_pooler(**options).url)) == "transaction"


def test_a_server_and_a_pooler_in_session_mode_are_recognised(
    start_pooler: Callable[..., PgBouncer], database_url: str
) -> None:
    assert asyncio.run(pooling_of(database_url)) == "none"
    assert asyncio.run(pooling_of(start_pooler(mode="session").url)) == "session"


def test_a_pooler_cannot_be_the_broker_and_the_start_names_the_setting(
    start_pooler: Callable[..., PgBouncer], database_url: str
) -> None:
    pooled = start_pooler().url
    for settings, name in (
        ({"DATABASE_URL": pooled, "WEB_CONCURRENCY": "2"}, "DATABASE_URL"),
        ({"DATABASE_URL": database_url, "BROADCAST_URL": pooled}, "BROADCAST_URL"),
    ):
        line = settings_error(SECRET_KEY=SECRET_KEY, **settings)
        assert f"{name} cannot be the broker between processes" in line
        assert "set REDIS_URL, or BROADCAST_URL to the database itself" in line


def test_a_pooler_gets_no_session_settings_or_prepared_statements(
    start_pooler: Callable[..., PgBouncer], database_url: str
) -> None:
    settings = "SELECT name FROM pg_settings WHERE source = 'session' AND name <> 'client_encoding'"

    async def use(url: str) -> tuple[list[str], int, str]:
        engine = create_engine(url, connections=1)
        try:
            async with engine.begin() as connection:
                limit = (await connection.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar_one()
            async with reading(engine) as connection:
                names = list((await connection.execute(text(settings))).scalars())
            async with reading(engine) as connection:
                kept = (await connection.execute(text("SELECT count(*) FROM pg_prepared_statements"))).scalar_one()
            return names, kept, limit
        finally:
            await engine.dispose()

    names, kept, limit = asyncio.run(use(database_url))
    assert limit == "5s"
    assert names == [], names
    assert kept > 2
    pooled = start_pooler(size=1).url
    names, kept, limit = asyncio.run(use(pooled))
    assert limit == "5s"
    assert kept == 0
    # The next client of the only server connection.
    assert query(pooled, "SHOW idle_in_transaction_session_timeout")[0][0] == "0"


def test_a_transaction_that_idles_is_ended(database_url: str) -> None:
    async def idle() -> str:
        connection = await connect(database_url)
        try:
            async with connection.transaction():
                return str(await connection.fetchval("SHOW idle_in_transaction_session_timeout"))
        finally:
            connection.terminate()

    assert asyncio.run(idle()) == "5s"


def test_a_pooler_works_with_its_address_alone(
    start_server: Callable[..., ChatServer], start_pooler: Callable[..., PgBouncer]
) -> None:
    server = start_server(start_pooler(size=2).url)
    assert httpx.get(f"{server.url}/readyz").status_code == 200
