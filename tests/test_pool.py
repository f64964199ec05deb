"""The pool when PostgreSQL has no connection left."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.database import pool
from chat.database.engine import create_engine
from chat.errors import DatabaseUnavailable
from tests.support.databases import admin_url, execute, query, run
from tests.support.people import first_run
from tests.support.server import TLS, ChatServer

pytestmark = pytest.mark.usefixtures("unmeasured")


@pytest.fixture
def limited_url(database_url: str) -> Iterator[Callable[[int], str]]:
    """A role that may have so many connections at a time: `limited_url(20)`."""
    role = f"role_{secrets.token_hex(6)}"

    def limit(connections: int) -> str:
        run(execute(admin_url(), f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {connections}"))
        name = database_url.split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[1]
        run(execute(database_url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"))
        run(execute(database_url, f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"))
        assert f"postgres@/{name}" in database_url
        return database_url.replace("postgres@/", f"{role}@/")

    yield limit
    with suppress(Exception):
        run(execute(admin_url(), f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"))
        time.sleep(0.2)
        run(execute(database_url, f"DROP OWNED BY {role}"))
        run(execute(admin_url(), f"DROP ROLE {role}"))


async def many(clients: int, requests: int, urls: list[str], cookies: httpx.Cookies) -> Counter[int]:
    """Send requests by several clients at the same time; counts their statuses."""
    statuses: Counter[int] = Counter()

    async def ask(number: int) -> None:
        limits = httpx.Limits(keepalive_expiry=1)
        async with httpx.AsyncClient(verify=TLS, cookies=cookies, timeout=60, limits=limits) as client:
            for _ in range(requests // clients):
                statuses[(await client.get(urls[number % len(urls)])).status_code] += 1

    await asyncio.gather(*(ask(number) for number in range(clients)))
    return statuses


def test_requests_of_two_processes_queue_for_few_connections(
    limited_url: Callable[[int], str], start_server: Callable[..., ChatServer]
) -> None:
    """With `CONNECTION LIMIT 20`, a quarter of the requests were 503."""
    url = limited_url(20)
    server = start_server(url, WEB_CONCURRENCY="2")
    alice = first_run(server)
    statuses = run(many(80, 240, [f"{server.url}/rooms/1", f"{server.url}/mentions"], alice.client.cookies))
    assert statuses == {200: 240}
    assert alice.post(1, "and posting works").status_code == 200


def test_a_second_server_gets_its_share_of_the_connections(
    limited_url: Callable[[int], str], start_server: Callable[..., ChatServer]
) -> None:
    url = limited_url(8)
    first = start_server(url)
    alice = first_run(first)
    assert run(many(40, 80, [f"{first.url}/rooms/1"], alice.client.cookies)) == {200: 80}
    second = start_server(url)
    urls = [f"{first.url}/rooms/1", f"{second.url}/rooms/1"]
    assert run(many(40, 240, urls, alice.client.cookies)) == {200: 240}


def test_a_second_server_gets_the_connections_that_the_first_does_not_use(
    limited_url: Callable[[int], str], start_server: Callable[..., ChatServer]
) -> None:
    """The first had opened all of them, was never refused another, and kept them for good."""
    url = limited_url(8)
    first = start_server(url)
    alice = first_run(first)
    assert run(many(8, 80, [f"{first.url}/rooms/1"], alice.client.cookies)) == {200: 80}
    second = start_server(url)
    assert run(many(20, 40, [f"{second.url}/rooms/1"], alice.client.cookies)) == {200: 40}


@pytest.mark.anyio
async def test_a_pool_gives_connections_back_when_the_server_refuses_more(
    limited_url: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = limited_url(4)
    greedy, late = create_engine(url, connections=10), create_engine(url, connections=10)
    for engine in (greedy, late):
        monkeypatch.setattr(engine.pool, "_timeout", 60)

    async def use(engine: AsyncEngine, seconds: float) -> None:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_sleep({seconds})"))

    await asyncio.gather(*(use(greedy, 0.02) for _ in range(40)))
    # Requests always wait in the first pool, and yet the second gets its share.
    load = asyncio.gather(*(use(greedy, 0.02) for _ in range(400)))
    await asyncio.gather(*(use(late, 0.02) for _ in range(20)))
    assert not load.done()
    await load
    role = url.split("@", maxsplit=1)[0].rsplit("/", maxsplit=1)[1]
    assert query(admin_url(), f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'")[0][0] <= 4
    for engine in (greedy, late):
        await engine.dispose()


@pytest.mark.anyio
async def test_requests_get_connections_in_the_order_in_which_they_came(database_url: str) -> None:
    """Each second a waiting request went to the end of the line, and some got none within five seconds."""
    engine = create_engine(database_url, connections=1)
    order: list[str] = []

    async def use(name: str, seconds: float) -> None:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_sleep({seconds})"))
            order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(use("first", 1.5))
        await asyncio.sleep(0.1)
        group.create_task(use("second", 0))
        await asyncio.sleep(0.5)
        group.create_task(use("third", 0))
    assert order == ["first", "second", "third"]
    await engine.dispose()


@pytest.mark.anyio
async def test_a_pool_times_out_when_the_server_never_has_a_free_connection(
    limited_url: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(limited_url(0))
    monkeypatch.setattr(engine.pool, "_timeout", 0.5)
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="in use"):
        async with engine.connect():
            pass
    assert time.monotonic() - started >= 0.4
    await engine.dispose()


@pytest.mark.anyio
async def test_a_pool_closes_idle_connections_down_to_two(
    limited_url: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = limited_url(4)
    engine, other = create_engine(url, connections=8), create_engine(url, connections=8)
    monkeypatch.setattr(other.pool, "_timeout", 60)
    connections = [await engine.connect() for _ in range(4)]
    for connection in connections:
        await connection.close()
    async with other.connect(), other.connect():
        role = url.split("@", maxsplit=1)[0].rsplit("/", maxsplit=1)[1]
        assert query(admin_url(), f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'") == [(4,)]
        # Those that are left work.
        async with engine.connect() as first, engine.connect() as second:
            await asyncio.gather(first.execute(text("SELECT 1")), second.execute(text("SELECT 1")))
    for each in (engine, other):
        await each.dispose()


@pytest.mark.anyio
async def test_a_pool_keeps_the_task_that_closes_its_idle_connections(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.1)
    engine = create_engine(database_url, connections=8)
    connections = [await engine.connect() for _ in range(4)]
    for connection in connections:
        await connection.close()
    async with asyncio.timeout(20):
        while not (found := [task for task in asyncio.all_tasks() if task.get_name() == "idle connections"]):
            await asyncio.sleep(0)
        assert found[0] in vars(engine.pool).values(), "the event loop refers to its tasks only weakly"
        await found[0]
    await engine.dispose()


@pytest.mark.anyio
async def test_a_pool_never_exceeds_its_number_of_connections(database_url: str) -> None:
    engine = create_engine(database_url, connections=3)
    most = 0

    async def use() -> None:
        nonlocal most
        async with engine.connect() as connection:
            count = await connection.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            )
            most = max(most, count.scalar_one())

    await asyncio.gather(*(use() for _ in range(50)))
    assert 1 < most <= 3
    await engine.dispose()
