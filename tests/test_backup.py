"""Backups, and restoring them under a running chat."""

import asyncio
import json
import os
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypedDict

import httpx
import pytest

from chat.messages.history import PAGE
from chat.models import metadata
from tests.support.databases import execute, fresh_database, query, run
from tests.support.live_client import LiveClient
from tests.support.newer_version import FILL_SHOUT, SHOUT, newer_version, revision
from tests.support.people import Person, first_run, sign_in, sign_up
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.server import ROOT, SECRET_KEY, ChatServer, run_chat


def chat(*arguments: object, database_url: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m chat` as an administrator at a terminal does."""
    variables = {"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONPATH": str(ROOT), **environment}
    if database_url:
        variables |= {"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY}
    if "PYTHONPATH" not in environment:
        return run_chat(*arguments, environment=variables)
    # Another version of the chat.
    command = [sys.executable, "-m", "chat", *map(str, arguments)]
    return subprocess.run(command, env=variables, cwd="/tmp", capture_output=True, text=True, timeout=120, check=False)


def succeeds(*arguments: object, database_url: str = "", **environment: str) -> None:
    done = chat(*arguments, database_url=database_url, **environment)
    assert done.returncode == 0, done.stderr


def refusal(*arguments: object, database_url: str = "", **environment: str) -> str:
    """Run a command that fails; returns the line that says why."""
    done = chat(*arguments, database_url=database_url, **environment)
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def everything(url: str) -> dict[str, list[dict[str, object]]]:
    """Every row of every table that the chat does not derive from others."""
    tables = {}
    for table in metadata.sorted_tables:
        if table.info.get("derived"):
            continue
        rows = query(url, f"SELECT * FROM {table.name} ORDER BY 1, 2")
        tables[table.name] = [dict(row) for row in rows]
    del tables["installation"][0]["epoch"]
    return tables


@pytest.fixture
def busy(alice: Person) -> Person:
    """A chat with something in every table."""
    bob = sign_up(alice.server, "Bob Brown")
    closed = alice.create_room("Board", "closed")
    alice.post(closed, "tab\there, backslash \\N, quote ' and\nnew line, größer 👋")
    alice.post(1, "first")
    bob.post(1, "second")
    alice.edit(2, "first, edited")
    group = bob.open_direct(alice, sign_up(alice.server, "Carol Clark"))
    bob.submit(f"/rooms/{group}/name", {"name": "Cake committee"})
    bob.submit(f"/rooms/{group}/leave")
    bob.delete(3)
    bob.submit("/messages/2/pin", {"pinned": "yes"})
    direct = alice.open_direct(bob)
    bob.post(direct, "between us")
    return alice


def test_a_restore_into_an_empty_database_brings_everything_back(busy: Person, tmp_path: Path) -> None:
    source, file = busy.server.database_url, tmp_path / "monday.backup"
    succeeds("backup", file, database_url=source)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds password hashes"
    assert list(tmp_path.iterdir()) == [file]
    with fresh_database() as target:
        succeeds("restore", file, database_url=target)
        assert everything(target) == everything(source)
        assert query(target, "SELECT epoch FROM installation") != query(source, "SELECT epoch FROM installation")


def test_a_restore_fills_a_database_without_tables(busy: Person, tmp_path: Path) -> None:
    succeeds("backup", tmp_path / "backup", database_url=busy.server.database_url)
    with fresh_database() as target:
        run(execute(target, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
        succeeds("restore", tmp_path / "backup", database_url=target)
        assert everything(target) == everything(busy.server.database_url)


def test_a_backup_made_during_posts_is_a_consistent_snapshot(alice: Person, tmp_path: Path) -> None:
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            with suppress(httpx.HTTPError):
                alice.post(1, "x" * 2_000)

    for number in range(300):
        alice.post(1, f"{number}" + "y" * 3_000)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        succeeds("backup", tmp_path / "backup", database_url=alice.server.database_url)
    finally:
        done.set()
        writer.join()
    with fresh_database() as target:
        succeeds("restore", tmp_path / "backup", database_url=target)
        head = query(target, "SELECT revision, message_count FROM rooms WHERE id = 1")[0]
        revisions = [row["revision"] for row in query(target, "SELECT revision FROM messages ORDER BY revision")]
        assert revisions == list(range(1, head["revision"] + 1))
        assert head["message_count"] == len(revisions) >= 300


def shows_newest(reader: LiveClient, messages: dict[int, str]) -> bool:
    return reader.view == dict(sorted(messages.items())[-len(reader.view) :])


@pytest.mark.anyio
async def test_open_pages_show_the_backup_after_a_restore(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    bob = sign_up(two, "Bob Brown")
    for number in range(10):
        alice.post(1, f"kept {number}")
    await asyncio.to_thread(succeeds, "backup", tmp_path / "backup", database_url=database_url)
    alice.edit(3, "an edit that will be undone")
    for number in range(20):
        bob.post(1, f"undone {number}")
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(LiveClient(person, 1, urls=[server.url]))
            for person in (alice, bob)
            for server in (one, two)
            for _ in range(3)
        ]
        assert all(len(reader.view) == 30 for reader in readers)
        writing = asyncio.create_task(asyncio.to_thread(lambda: [bob.post(1, f"too late {n}") for n in range(100)]))
        await asyncio.to_thread(succeeds, "restore", "--replace", tmp_path / "backup", database_url=database_url)
        await writing
        for person, text in ((alice, "after the restore"), (bob, "and so is he")):
            assert (await asyncio.to_thread(person.post, 1, text)).status_code == 200
        truth = {
            row["id"]: row["body"]
            for row in query(database_url, "SELECT id, body FROM messages WHERE room_id = 1 ORDER BY position")
        }
        assert [f"kept {number}" for number in range(10)] == list(truth.values())[:10]
        assert not any(text.startswith("undone") for text in truth.values())
        for reader in readers:
            await reader.until(partial(shows_newest, reader, truth))
            assert len(reader.view) >= min(PAGE, len(truth)), "a page that is loaded anew begins with so many"
            assert not reader.doubled
    revisions = query(database_url, "SELECT revision FROM messages WHERE room_id = 1 ORDER BY revision")
    assert [row["revision"] for row in revisions] == list(range(1, len(truth) + 1))


def test_a_restore_gives_a_later_session_to_no_other_member(alice: Person, tmp_path: Path) -> None:
    succeeds("backup", tmp_path / "backup", database_url=alice.server.database_url)
    lost = sign_in(alice.server, alice)
    with fresh_database() as target:
        succeeds("restore", tmp_path / "backup", database_url=target)
        other = ChatServer(target)
        try:
            other.start()
            bob = sign_up(other, "Bob Brown")
            assert bob.get("/profile").status_code == 200
            cookies = dict(lost.client.cookies)
            answer = httpx.get(f"{other.url}/profile", cookies=cookies)
            assert answer.status_code == 303, "the token still names a session, which must not be Bob's"
        finally:
            for client in (bob.client,):
                client.close()
            other.remove()


def test_a_restore_replaces_a_chat_only_with_the_option(busy: Person, tmp_path: Path) -> None:
    url = busy.server.database_url
    succeeds("backup", tmp_path / "backup", database_url=url)
    busy.post(1, "since then")
    assert "--replace" in refusal("restore", tmp_path / "backup", database_url=url)
    assert "since then" in busy.reads(1)
    succeeds("restore", "--replace", tmp_path / "backup", database_url=url)
    assert "since then" not in busy.reads(1)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0xFF
    file.write_bytes(data)


def foreign(file: Path) -> None:
    file.write_text("PGDMP something else")


def empty_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w"):
        pass


class Table(TypedDict):
    columns: list[str]
    rows: int


class Manifest(TypedDict):
    """The manifest of a backup."""

    revision: str
    tables: dict[str, Table]


@contextmanager
def changed_manifest(file: Path) -> Iterator[Manifest]:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest: Manifest = json.loads(members["manifest.json"])
    yield manifest
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def newer(file: Path) -> None:
    with changed_manifest(file) as manifest:
        manifest["revision"] = "9999"


def with_a_row_missing(file: Path) -> None:
    with changed_manifest(file) as manifest:
        manifest["tables"]["messages"]["rows"] += 1


def hostile(file: Path) -> None:
    with changed_manifest(file) as manifest:
        manifest["tables"]["users; DROP TABLE users"] = {"columns": [], "rows": 0}


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (truncated, "is not a complete backup"),
        (flipped, "backup"),
        (foreign, "is not a complete backup"),
        (empty_zip, "is not a complete backup"),
        (newer, "newer version"),
        (with_a_row_missing, "damaged"),
        (hostile, "is not a complete backup"),
        (Path.unlink, "cannot be read: No such file"),
    ],
)
def test_restoring_a_damaged_or_foreign_file_changes_nothing(
    busy: Person, tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    url, file = busy.server.database_url, tmp_path / "backup"
    succeeds("backup", file, database_url=url)
    damage(file)
    before = everything(url)
    assert expected in refusal("restore", "--replace", file, database_url=url)
    assert everything(url) == before


def test_a_failed_backup_leaves_the_old_file(busy: Person, tmp_path: Path) -> None:
    assert "cannot be written" in refusal("backup", tmp_path / "nowhere" / "b", database_url=busy.server.database_url)
    file = tmp_path / "backup"
    file.write_text("the one before")
    away = f"postgresql://postgres@127.0.0.1:{free_port()}/simplechat"
    assert "cannot be reached" in refusal("backup", file, database_url=away)
    assert file.read_text() == "the one before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The folder of a later version of the chat, whose tables have one more column."""
    return newer_version(tmp_path / "next version", SHOUT, FILL_SHOUT)


def test_a_restore_migrates_a_backup_of_an_older_version(busy: Person, tmp_path: Path, next_version: Path) -> None:
    url, file = busy.server.database_url, tmp_path / "backup"
    succeeds("backup", file, database_url=url)
    with fresh_database() as target:
        succeeds("restore", file, database_url=target, PYTHONPATH=str(next_version))
        assert query(target, "SELECT version_num FROM alembic_version")[0][0] == revision(2)
        restored = query(target, "SELECT body, shout FROM messages ORDER BY id")
        assert [row["body"] for row in restored] == [
            row["body"] for row in query(url, "SELECT body FROM messages ORDER BY id")
        ]
        assert [row["shout"] for row in restored if row["body"].isascii()] == [
            row["body"].upper() for row in restored if row["body"].isascii()
        ]
        succeeds("restore", "--replace", file, database_url=target, PYTHONPATH=str(next_version))
        assert query(target, "SELECT body, shout FROM messages ORDER BY id") == restored


def test_a_backup_of_a_newer_version_is_refused(busy: Person, tmp_path: Path, next_version: Path) -> None:
    url, file = busy.server.database_url, tmp_path / "backup"
    with fresh_database() as newer:
        succeeds("migrate", database_url=newer, PYTHONPATH=str(next_version))
        succeeds("backup", file, database_url=newer, PYTHONPATH=str(next_version))
    before = everything(url)
    assert "was made by a newer version of simplechat" in refusal("restore", "--replace", file, database_url=url)
    assert everything(url) == before


def test_the_private_database_is_backed_up_and_restored_even_when_stopped(tmp_path: Path) -> None:
    data = str(tmp_path / "var")
    server = ChatServer("", DATA_DIRECTORY=data, DATABASE_URL="", SECRET_KEY="")
    try:
        server.start(patience=90)
        alice = first_run(server)
        alice.post(1, "before the backup")
        succeeds("backup", tmp_path / "running", DATA_DIRECTORY=data)
        alice.post(1, "after it")
        succeeds("restore", "--replace", tmp_path / "running", DATA_DIRECTORY=data)
        assert alice.reads(1) == ["before the backup"]
        server.stop()
        succeeds("backup", tmp_path / "stopped", DATA_DIRECTORY=data)
        fresh = str(tmp_path / "another machine")
        succeeds("restore", tmp_path / "stopped", DATA_DIRECTORY=fresh)
        server = ChatServer("", DATA_DIRECTORY=fresh, DATABASE_URL="", SECRET_KEY="")
        server.start(patience=90)
        assert sign_in(server, alice).reads(1) == ["before the backup"]
        # If killed, the server would leave its database running.
        server.stop()
    finally:
        server.remove()
