"""Messages for the person who runs the chat: `/readyz`, the start, and the commands."""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from chat.database.schema import NEWEST
from tests.support.databases import admin_url, execute, query, run
from tests.support.live_client import LiveClient
from tests.support.people import Person, browser, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.server import ROOT, ChatServer, run_chat, until_not_ready, until_ready


def chat_command(*arguments: str, database_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the chat with only DATABASE_URL set."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/tmp", "DATABASE_URL": database_url}
    return run_chat(*arguments, environment=clean | environment)


def through_pipes(*arguments: str, database_url: str, given: bytes = b"") -> bytes:
    """Run a command that reads and writes pipes; returns its output."""
    done = subprocess.run(
        [sys.executable, "-m", "chat", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url},
        cwd="/tmp",
        input=given,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cut(database_url: str) -> None:
    """End every connection to a database."""
    name = name_of(database_url)
    run(execute(admin_url(), f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))


def name_of(database_url: str) -> str:
    return database_url.split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[1]


def test_readyz_says_why_pages_fail_and_recovers_with_them(alice: Person) -> None:
    server, url = alice.server, alice.server.database_url
    until_ready(server.url)
    run(execute(url, "UPDATE alembic_version SET version_num = '0000'"))
    until_not_ready(server, f"this version needs {NEWEST}")
    run(execute(url, f"UPDATE alembic_version SET version_num = '{NEWEST}'"))
    until_ready(server.url)
    run(execute(url, "ALTER TABLE rooms RENAME COLUMN topic TO subject"))
    until_not_ready(server, "the tables lack rooms.topic")
    run(execute(url, "ALTER TABLE rooms RENAME COLUMN subject TO topic"))
    until_ready(server.url)
    run(execute(url, f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = on"))
    run(
        execute(admin_url(), f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(url)}'")
    )
    until_not_ready(server, "the database is read-only")
    refused = alice.post(1, "not now")
    assert refused.status_code == 503
    assert "accepts no changes" in refused.text
    assert alice.get("/rooms/1").status_code == 200, "reading works"
    run(execute(admin_url(), f"ALTER DATABASE {name_of(url)} RESET default_transaction_read_only"))
    run(
        execute(admin_url(), f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(url)}'")
    )
    until_ready(server.url)
    assert alice.post(1, "now").status_code == 200
    server.stop()
    told = [line for line in server.log.splitlines() if "chat.readiness" in line]
    assert any(
        "WARNING chat.readiness: This process is not ready: the tables lack rooms.topic" in line for line in told
    )
    assert any("INFO chat.readiness: This process is ready again" in line for line in told)


def test_readyz_asks_the_database_once_a_second_at_most(alice: Person) -> None:
    url = alice.server.database_url
    count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    before = query(url, count)[0][0]
    started = time.monotonic()
    with httpx.Client() as client:
        for _ in range(200):
            assert client.get(f"{alice.server.url}/readyz").status_code == 200
    # The server itself also asks about ten times a second.
    assert query(url, count)[0][0] - before < 100 + 20 * (time.monotonic() - started)


def test_a_database_created_after_the_start_is_used_once_it_has_its_tables(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    name = f"late_{secrets.token_hex(6)}"
    url = database_url.replace(f"/{name_of(database_url)}?", f"/{name}?")
    server = start_server(url)
    try:
        until_not_ready(server, "the database does not exist")
        assert browser(server).get("/sign-in").status_code == 503
        run(execute(admin_url(), f"CREATE DATABASE {name}"))
        until_not_ready(server, f"the tables are at revision none, this version needs {NEWEST}")
        migrated = chat_command("migrate", database_url=url)
        assert migrated.stdout == f"The tables are at revision {NEWEST} (were at none).\n"
        until_ready(server.url)
        assert first_run(server).post(1, "hello").status_code == 200
        server.stop()
        assert "WARNING chat: The database of DATABASE_URL does not exist: create it" in server.log
    finally:
        server.kill()
        run(execute(admin_url(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.mark.anyio
async def test_background_tasks_name_a_missing_database_once_a_minute(
    postgres_server: PostgresServer, start_server: Callable[..., ChatServer]
) -> None:
    chat_command("migrate", database_url=postgres_server.url)
    server = await asyncio.to_thread(start_server, postgres_server.url)
    alice = await asyncio.to_thread(first_run, server)
    async with LiveClient(alice, 1):
        postgres_server.kill()
        await asyncio.sleep(6)  # longer than these tasks pause
    await asyncio.to_thread(server.stop)
    tasks = "make new messages searchable", "compare the rooms with the database", "fetch the people online"
    assert [server.log.count(f"Could not {task}") for task in tasks] == [1, 1, 1]


def test_a_wrong_password_ends_the_start_with_a_single_clear_line(postgres_server: PostgresServer) -> None:
    run(execute(postgres_server.url, "CREATE ROLE chat LOGIN PASSWORD 'right'"))
    rules = postgres_server.folder / "data" / "pg_hba.conf"
    rules.write_text("host all chat all scram-sha-256\n" + rules.read_text())
    run(execute(postgres_server.url, "SELECT pg_reload_conf()"))
    url = postgres_server.url.replace("postgres@", "chat:wrong@")
    for command in ("serve", "migrate"):
        done = chat_command(command, database_url=url, SECRET_KEY="x" * 32)
        (line,) = [line for line in done.stderr.splitlines() if "WARNING" not in line]
        assert done.returncode == 1
        assert "password" in line
        assert "Traceback" not in line
        assert "wrong" not in line


def test_migrating_without_the_right_to_create_an_extension_says_so(database_url: str) -> None:
    name, role = f"bare_{secrets.token_hex(6)}", f"role_{secrets.token_hex(6)}"
    run(execute(admin_url(), f"CREATE ROLE {role} LOGIN"))
    run(execute(admin_url(), f"CREATE DATABASE {name}"))
    url = database_url.replace(f"/{name_of(database_url)}?", f"/{name}?")
    try:
        run(execute(url, f"GRANT ALL ON SCHEMA public TO {role}"))
        run(execute(url, f"REVOKE CREATE ON DATABASE {name} FROM PUBLIC, {role}"))
        done = chat_command("migrate", database_url=url.replace("postgres@/", f"{role}@/"))
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1
        assert "CREATE EXTENSION pg_trgm" in line
        assert "permission denied" in line
        run(execute(url, "CREATE EXTENSION pg_trgm"))
        assert chat_command("migrate", database_url=url.replace("postgres@/", f"{role}@/")).returncode == 0
    finally:
        run(execute(admin_url(), f"DROP DATABASE {name} WITH (FORCE)"))
        run(execute(admin_url(), f"DROP ROLE {role}"))


def test_a_backup_passes_through_standard_streams_without_a_key(alice: Person) -> None:
    url = alice.server.database_url
    alice.post(1, "to be kept")
    made = through_pipes("backup", "-", database_url=url)
    assert made.startswith(b"PK")
    alice.post(1, "lost again")
    through_pipes("restore", "--replace", "-", database_url=url, given=made)
    assert alice.reads(1) == ["to be kept"]


def test_a_backup_to_a_closed_pipe_says_that_it_is_incomplete(alice: Person) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": alice.server.database_url}
    done = subprocess.run(
        [sys.executable, "-m", "chat", "backup", "-"],
        env=clean,
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert "the backup is not complete" in line


@pytest.fixture
def small_disk(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server whose messages lie on a disk of some megabytes."""
    disk = Path("/tmp") / f"simplechat-disk-{secrets.token_hex(6)}"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, timeout=60, check=False
    )
    if mounted.returncode != 0:
        disk.rmdir()
        pytest.skip("this machine does not let us mount a small disk")
    data = (postgres_server.folder / "data").stat()
    os.chown(disk, data.st_uid, data.st_gid)
    try:
        run(execute(postgres_server.url, f"CREATE TABLESPACE small LOCATION '{disk}'"))
        run(execute(postgres_server.url, "ALTER TABLE messages SET TABLESPACE small"))
        yield postgres_server
    finally:
        postgres_server.stop()
        subprocess.run(["umount", "-l", disk], timeout=60, check=False)
        with suppress(OSError):
            shutil.rmtree(disk)


def test_a_full_disk_is_reported_and_posting_resumes_with_free_space(
    small_disk: PostgresServer, start_server: Callable[..., ChatServer]
) -> None:
    server = start_server(small_disk.url, RATE_LIMITS="1000")
    alice = first_run(server)
    assert alice.post(1, "before").status_code == 200
    run(execute(small_disk.url, "CREATE TABLE ballast (filling text STORAGE PLAIN) TABLESPACE small"))
    with suppress(Exception):
        for _ in range(10_000):
            run(execute(small_disk.url, "INSERT INTO ballast SELECT repeat('x', 7000) FROM generate_series(1, 10)"))
    answers = [alice.post(1, secrets.token_hex(4500)) for _ in range(100)]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert "The disk of the chat&#39;s database is full. Reading still works." in refused[-1].text
    assert alice.reads(1)[0] == "before"
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    run(execute(small_disk.url, "DROP TABLE ballast"))
    assert alice.post(1, "after").status_code == 200
    server.stop()
    assert "The database does not answer" in server.log
    assert "No space left on device" in server.log
    assert "Traceback" not in server.log
