"""Upgrading without a stop, and going back: old code on newer tables, and the messages of `migrate`."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
from alembic.command import upgrade

from chat.database import migrate as migrating
from chat.database.migrate import migrate
from chat.database.migrating import TURN, CannotMigrate
from chat.database.schema import NEWEST
from tests.support.databases import execute, query, run
from tests.support.live_client import LiveClient
from tests.support.newer_version import (
    FILL_SHOUT,
    FREE_TOPICS,
    LOSE_TOPICS,
    OLDEST,
    SHOUT,
    configuration,
    newer_version,
    revision,
)
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ROOT, SECRET_KEY, TLS, ChatServer, run_chat, until_not_ready, until_ready
from tests.torture.writers import Writer

READERS = 6


@pytest.fixture(scope="module")
def expanded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a newer version whose tables serve this one."""
    return newer_version(tmp_path_factory.mktemp("newer") / "expanded", SHOUT, FILL_SHOUT)


@pytest.fixture(scope="module")
def contracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a newer version whose first migration serves this one, and whose second does not."""
    return newer_version(tmp_path_factory.mktemp("newer") / "contracted", FREE_TOPICS, LOSE_TOPICS)


def command(*arguments: object, folder: Path = ROOT, **environment: str) -> tuple[int, str]:
    """Run a command of a version; returns its exit code and its output, without the log."""
    variables = {"PATH": os.environ["PATH"], "HOME": "/tmp", "SECRET_KEY": SECRET_KEY, **environment}
    if folder == ROOT:
        done = run_chat(*arguments, environment=variables)
    else:
        newer = [sys.executable, "-m", "chat", *map(str, arguments)]
        done = subprocess.run(
            newer, env=variables, cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
    told = [line for line in (done.stdout + done.stderr).splitlines() if " INFO " not in line]
    assert len(told) <= 1, told
    return done.returncode, "".join(told)


def state_of(url: str) -> tuple[str, str]:
    """Return the revision of a database's tables, and of the oldest code they serve."""
    (row,) = query(url, "SELECT version_num, serves_from FROM alembic_version")
    return row["version_num"], row["serves_from"]


@pytest.mark.anyio
@pytest.mark.usefixtures("unmeasured")
async def test_an_upgrade_and_a_rollback_under_load_refuse_lose_and_double_nothing(
    expanded: Path, start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    servers = [start_server(database_url, redis_server.url) for _ in range(2)]
    urls = [server.url for server in servers]
    people = [first_run(servers[0]), sign_up(servers[0], "Bob Brown")]
    writers = [Writer(person, urls, [1], random.Random(number)) for number, person in enumerate(people)]
    pages: list[int] = []
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(LiveClient(people[number % 2], 1, urls=urls, keeps_frames=False))
            for number in range(READERS)
        ]
        load = [asyncio.create_task(writer.write(loop.time() + 3600, pause=0.2)) for writer in writers]
        looking = asyncio.create_task(look_at_pages(people[0], urls, pages))
        steps: list[Callable[[], object]] = [
            partial(command, "migrate", folder=expanded, DATABASE_URL=database_url),
            *(partial(restart_as, server, expanded) for server in servers),
            *(partial(restart_as, server, ROOT) for server in servers),
            partial(command, "migrate", "--to", NEWEST, folder=expanded, DATABASE_URL=database_url),
        ]
        for step in steps:
            posted = [len(writer.texts) for writer in writers]
            await asyncio.to_thread(step)
            await until_all_post(writers, posted, load)
            # Another process is stopped only when the readers are back, as with a load balancer.
            for reader in readers:
                await reader.until(partial(is_connected, reader), within=20)
        for writer in writers:
            writer.is_done = True
        looking.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(*load)
        stored = {row["id"]: row["body"] for row in query(database_url, "SELECT id, body FROM messages")}
        for reader in readers:
            await reader.until(partial(shows, reader, set(stored)), within=20)
            assert reader.doubled == []
    assert state_of(database_url) == (NEWEST, OLDEST)
    assert [writer.refusals for writer in writers] == [[], []], "no answer was an error"
    assert set(pages) == {200}
    assert {message for writer in writers for message in writer.texts} <= set(stored), "nothing is lost"
    bodies = [body for body in stored.values() if body]
    assert len(bodies) == len(set(bodies)), "nothing is doubled"
    assert all("Traceback" not in server.log for server in servers)


def restart_as(server: ChatServer, folder: Path) -> None:
    """End a server, and start it again as the version in a folder."""
    assert server.stop() == 0
    server.folder = folder
    server.start()
    until_ready(server.url)


async def look_at_pages(person: Person, urls: list[str], statuses: list[int]) -> None:
    """Open a room's page again and again, from whichever server accepts the connection."""
    async with httpx.AsyncClient(verify=TLS, cookies=person.client.cookies, timeout=30) as client:
        while True:
            # A load balancer would ask another server.
            with suppress(httpx.TransportError):
                statuses.append((await client.get(f"{random.choice(urls)}/rooms/1")).status_code)
            await asyncio.sleep(0.2)


async def until_all_post(writers: list[Writer], posted: list[int], load: list[asyncio.Task[None]]) -> None:
    """Wait until each writer has posted again."""
    async with asyncio.timeout(30):
        while any(len(writer.texts) <= before + 1 for writer, before in zip(writers, posted, strict=True)):
            for task in load:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)


def is_connected(reader: LiveClient) -> bool:
    return reader.closed_with is None


def shows(reader: LiveClient, ids: set[int]) -> bool:
    return set(reader.view) == ids


def test_old_code_starts_posts_migrates_and_backs_up_on_newer_tables_that_serve_it(
    expanded: Path, alice: Person, tmp_path: Path
) -> None:
    url, file = alice.server.database_url, tmp_path / "backup"
    assert command("migrate", folder=expanded, DATABASE_URL=url)[0] == 0
    assert state_of(url) == (revision(2), OLDEST)
    until_ready(alice.server.url)
    alice.server.restart()
    assert alice.post(1, "posted by the old version").status_code == 200
    assert f"The tables are at revision {revision(2)}; they serve this version ({NEWEST}), too" in alice.server.log
    code, line = command("migrate", DATABASE_URL=url)
    assert (code, line.split(", ")[0]) == (0, f"The tables are at revision {revision(2)}")
    assert "Nothing to do." in line
    assert command("backup", file, DATABASE_URL=url)[0] == 0
    code, line = command("restore", "--replace", file, DATABASE_URL=url)
    assert code == 1
    assert "restore with the newer version of simplechat" in line
    # The newer version brings the old one's backup up to date.
    assert command("restore", "--replace", file, folder=expanded, DATABASE_URL=url)[0] == 0
    assert query(url, "SELECT shout FROM messages")[0][0] == "POSTED BY THE OLD VERSION"
    code, line = command("migrate", "--to", NEWEST, DATABASE_URL=url)
    assert code == 1
    assert f"go back with the newer version, `python -m chat migrate --to {NEWEST}`" in line
    assert command("migrate", "--to", NEWEST, folder=expanded, DATABASE_URL=url) == (
        0,
        f"The tables are at revision {NEWEST} (were at {revision(2)}).",
    )
    assert alice.reads(1) == ["posted by the old version"]
    assert command("restore", "--replace", file, DATABASE_URL=url)[0] == 0


def test_old_code_does_not_start_on_contracted_tables_and_its_advice_works(
    contracted: Path, alice: Person, tmp_path: Path
) -> None:
    server, url = alice.server, alice.server.database_url
    alembic = configuration(url, contracted / "migrations")
    upgrade(alembic, revision(1))
    until_ready(server.url)
    upgrade(alembic, "head")
    assert state_of(url) == (revision(2), revision(1))
    reason = f"the tables are at revision {revision(2)}, which needs code of revision {revision(1)} or a later one"
    until_not_ready(server, reason)
    for words in (["serve"], ["migrate"], ["backup", tmp_path / "backup"]):
        code, line = command(*words, DATABASE_URL=url)
        assert code == 1
        assert reason in line
        assert f"`python -m chat migrate --to {NEWEST}`" in line
    assert command("migrate", "--to", NEWEST, folder=contracted, DATABASE_URL=url)[0] == 0
    until_ready(server.url)
    server.restart()
    assert alice.post(1, "back again").status_code == 200


def test_going_back_is_refused_while_rows_do_not_fit(contracted: Path, alice: Person) -> None:
    url = alice.server.database_url
    assert command("migrate", "--to", revision(1), folder=contracted, DATABASE_URL=url)[0] == 0
    run(execute(url, "UPDATE rooms SET topic = NULL"))
    code, line = command("migrate", "--to", NEWEST, folder=contracted, DATABASE_URL=url)
    assert code == 1
    assert f"the rows there are do not fit revision {NEWEST} of the tables, which stay at {revision(1)}" in line
    assert 'column "topic" of relation "rooms" contains null values' in line
    assert state_of(url) == (revision(1), OLDEST)


def test_migrating_goes_down_and_up_and_refuses_revisions_that_it_does_not_know(database_url: str) -> None:
    code, line = command("migrate", "--to", "0008", DATABASE_URL=database_url)
    assert (code, line) == (0, f"The tables are at revision 0008 (were at {NEWEST}).")
    assert state_of(database_url) == ("0008", "0008")
    assert command("migrate", "--to", "0009", DATABASE_URL=database_url)[0] == 0
    assert state_of(database_url) == ("0009", "0009")
    for unknown in ("0000", "9999", "base", "head"):
        code, line = command("migrate", "--to", unknown, DATABASE_URL=database_url)
        assert (code, line) == (1, f"simplechat: there is no revision {unknown}: this version knows 0001 to {NEWEST}")


@contextmanager
def holding(url: str, statement: str) -> Iterator[None]:
    """Hold the locks of a statement, in a transaction of another process."""

    async def hold() -> asyncpg.Connection:
        connection = await asyncpg.connect(url)
        await connection.execute(f"BEGIN; {statement}")
        return connection

    with asyncio.Runner() as runner:
        connection = runner.run(hold())
        yield
        runner.run(connection.close())


def test_a_second_process_that_migrates_waits_and_then_says_why_it_gave_up(database_url: str) -> None:
    with holding(database_url, f"SELECT pg_advisory_xact_lock({TURN})"):
        code, line = command("migrate", "--wait", "0.2", DATABASE_URL=database_url)
    assert code == 1
    assert "another process has been migrating this database for more than 0.2 s" in line
    assert command("migrate", DATABASE_URL=database_url)[0] == 0


def test_a_migration_lets_others_pass_while_a_table_is_in_use(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "PAUSES", (0.1,))
    # Indexes go first: dropping them beside others waits for old transactions, and is in nobody's way.
    migrate(database_url, "0013")
    with holding(database_url, "LOCK TABLE users IN ACCESS SHARE MODE"):
        with pytest.raises(CannotMigrate, match="a long transaction keeps a table in use"):
            migrate(database_url, "0008")
    migrate(database_url)
    assert state_of(database_url)[0] == NEWEST


def test_the_private_database_is_migrated_and_goes_back_under_the_running_chat(expanded: Path, tmp_path: Path) -> None:
    private = {"DATABASE_URL": "", "DATA_DIRECTORY": str(tmp_path / "var")}
    server = ChatServer("", SECRET_KEY="", **private)
    try:
        server.start()
        alice = first_run(server)
        assert command("migrate", folder=expanded, **private)[0] == 0
        assert alice.post(1, "on newer tables").status_code == 200
        server.restart()
        until_ready(server.url)
        assert f"they serve this version ({NEWEST}), too" in server.log
        assert alice.reads(1) == ["on newer tables"]
        assert command("migrate", "--to", NEWEST, folder=expanded, **private)[0] == 0
        assert alice.post(1, "on our own").status_code == 200
        # If killed, the server would leave its database running.
        server.stop()
    finally:
        server.remove()
