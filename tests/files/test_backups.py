"""Backups hold the files of messages and the pictures of people, and after a restore no row is without its object."""

import re
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import anyio
import pytest

from chat.backup import restoring, writing
from chat.backup.file import BackupError
from chat.database import poolers
from chat.database.engine import create_engine
from chat.files.folder import Folder
from tests.files.test_faces import send_picture
from tests.files.test_uploads import objects_in, until_stored
from tests.support.databases import fresh_database, query, run
from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.s3_server import CREDENTIALS
from tests.support.server import SECRET_KEY, ChatServer, run_chat
from tests.support.tables import tables_of
from tests.support.uploading import paths_in, send_file, upload


def chat(server: ChatServer, url: str, *arguments: object, files: Path | None = None) -> None:
    environment = {"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, "FILES_URL": str(files or server.files)}
    done = run_chat(*arguments, environment=environment)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def photo(alice: Person) -> str:
    """A chat with a photo, which has two thumbnails, an empty file, and an upload that was not sent."""
    path = send_file(alice, "photo.png", encoded(plain(), "PNG"), "a photo")
    send_file(alice, "empty.txt", b"")
    upload(alice, 1, "not sent.txt", b"not sent")
    return path


def test_a_backup_brings_the_files_to_another_machine(alice: Person, photo: str, tmp_path: Path) -> None:
    data, thumbnail = alice.get(photo).content, alice.get(photo.rpartition("/")[0] + "/thumbnails/2").content
    chat(alice.server, alice.server.database_url, "backup", tmp_path / "chat.backup")
    with fresh_database() as url, tables_of(url) as tables:
        for _ in range(2):
            chat(alice.server, url, "restore", "--replace", tmp_path / "chat.backup", files=tmp_path / "files")
        stored = [each.read_bytes() for each in (tmp_path / "files").rglob("*") if each.is_file()]
        assert sorted(map(len, stored))[0] == 0
        assert len(stored) == 4
        assert {data, thumbnail} < set(stored)
        assert tables.value("SELECT count(*) FROM files") == 2
        assert tables.value("SELECT count(*) FROM stray_objects") == 0


def test_a_restore_deletes_what_came_after_the_backup(alice: Person, photo: str, tmp_path: Path) -> None:
    chat(alice.server, alice.server.database_url, "backup", "--without-files", tmp_path / "chat.backup")
    with zipfile.ZipFile(tmp_path / "chat.backup") as archive:
        assert "objects" not in archive.namelist()
    data = alice.get(photo).content
    later = send_file(alice, "later.txt", b"later")
    chat(alice.server, alice.server.database_url, "restore", "--replace", tmp_path / "chat.backup")
    until_stored(alice.server, 4)
    assert alice.get(photo).content == data
    assert alice.get(later).status_code == 404


def test_a_message_loses_a_file_that_is_in_no_backup_and_no_store(alice: Person, photo: str, tmp_path: Path) -> None:
    chat(alice.server, alice.server.database_url, "backup", "--without-files", tmp_path / "chat.backup")
    for each in objects_in(alice.server):
        each.unlink()
    chat(alice.server, alice.server.database_url, "restore", "--replace", tmp_path / "chat.backup")
    page = alice.get("/rooms/1").text
    assert "a photo" in page
    assert paths_in(page) == []


def test_a_file_deleted_during_the_backup_is_left_out(alice: Person, photo: str, tmp_path: Path) -> None:
    # The original, with its metadata, may still be there.
    shown = alice.get(photo).content
    next(each for each in objects_in(alice.server) if each.read_bytes() == shown).unlink()
    chat(alice.server, alice.server.database_url, "backup", tmp_path / "chat.backup")
    with fresh_database() as url, tables_of(url) as tables:
        chat(alice.server, url, "restore", tmp_path / "chat.backup", files=tmp_path / "files")
        assert tables.value("SELECT count(*) FROM files") == 1
        assert tables.value("SELECT sum(file_count) FROM messages") == 1


def test_a_backup_brings_faces_along_and_drops_those_that_are_nowhere(alice: Person, tmp_path: Path) -> None:
    for path in ("/profile/face", "/rooms/1/face"):
        assert send_picture(alice, path).status_code == 303
    drawn = "SELECT (SELECT count(small_picture) FROM users) + (SELECT count(large_picture) FROM rooms)"
    chat(alice.server, alice.server.database_url, "backup", tmp_path / "chat.backup")
    with fresh_database() as url, tables_of(url) as tables:
        chat(alice.server, url, "restore", tmp_path / "chat.backup", files=tmp_path / "files")
        stored = sorted(each.read_bytes() for each in (tmp_path / "files").rglob("*") if each.is_file())
        assert stored == sorted(each.read_bytes() for each in objects_in(alice.server))
        assert len(stored) == 4
        assert tables.value(drawn) == 2
    chat(alice.server, alice.server.database_url, "backup", "--without-files", tmp_path / "bare.backup")
    with fresh_database() as url, tables_of(url) as tables:
        chat(alice.server, url, "restore", tmp_path / "bare.backup", files=tmp_path / "elsewhere")
        assert tables.value(drawn) == 0


def with_preview(alice: Person) -> None:
    """Let the message of the photo show a preview, whose picture is the photo's thumbnail."""
    query(
        alice.server.database_url,
        """
        WITH preview AS (
            INSERT INTO link_previews (address, host, expires_at, title, picture, picture_kind, width, height)
            SELECT 'https://example.org', 'example.org', now(), 'An example', gen_random_uuid(), 'image/webp', 1, 1
            RETURNING id, picture
        ), link AS (
            INSERT INTO message_links (message_id, place, address, preview_id)
            SELECT 1, 1, 'https://example.org', id FROM preview
        ), counted AS (UPDATE messages SET link_count = 1 WHERE id = 1)
        SELECT picture FROM preview
        """,
    )


def test_a_backup_holds_the_pictures_of_links(alice: Person, photo: str, tmp_path: Path) -> None:
    with_preview(alice)
    key = query(alice.server.database_url, "SELECT picture FROM link_previews")[0]["picture"]
    place = alice.server.files / key.hex[:2] / key.hex
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"a picture")
    shown = alice.get("/messages/1/previews/1")
    assert shown.content == b"a picture"
    chat(alice.server, alice.server.database_url, "backup", tmp_path / "whole.backup")
    chat(alice.server, alice.server.database_url, "backup", "--without-files", tmp_path / "rows.backup")
    with fresh_database() as url, tables_of(url) as tables:
        chat(alice.server, url, "restore", tmp_path / "whole.backup", files=tmp_path / "files")
        assert (tmp_path / "files" / key.hex[:2] / key.hex).read_bytes() == b"a picture"
        assert tables.row("SELECT picture FROM link_previews")["picture"] == key
        chat(alice.server, url, "restore", "--replace", tmp_path / "rows.backup", files=tmp_path / "none")
        row = tables.row("SELECT title, picture, (SELECT count(*) FROM message_links) AS links FROM link_previews")
        assert (row["title"], row["picture"], row["links"]) == ("An example", None, 1)


class SlowFolder(Folder):
    """A store that takes longer for each object than a transaction may be idle in this test."""

    async def read(self, key: UUID, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        await anyio.sleep(0.6)
        async for chunk in super().read(key, start, end):
            yield chunk

    async def has(self, key: UUID) -> bool:
        await anyio.sleep(0.6)
        return await super().has(key)


@pytest.mark.parametrize("with_files", [True, False])
def test_a_slow_store_or_statement_ends_neither_a_backup_nor_a_restore(
    alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_files: bool
) -> None:
    path = send_file(alice, "plan.txt", b"the plan")
    monkeypatch.setattr(poolers, "_LIMIT", " SET LOCAL idle_in_transaction_session_timeout = '300ms'")
    monkeypatch.setattr(create_engine, "__kwdefaults__", {"connections": 20, "command_timeout": 0.001})
    url, store = alice.server.database_url, SlowFolder(alice.server.files)
    run(writing.write(url, tmp_path / "chat.backup", store if with_files else None))
    run(restoring.restore(url, tmp_path / "chat.backup", store, replace=True))
    assert alice.get(path).content == b"the plan"


def test_objects_of_a_failed_restore_go_after_a_day_unless_it_is_repeated(
    alice: Person, photo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = tmp_path / "chat.backup", Folder(tmp_path / "files")
    chat(alice.server, alice.server.database_url, "backup", file)
    monkeypatch.setattr(restoring, "LOCK_SECONDS", 1)
    tomorrow = "now() + interval '23 hours' AND now() + interval '1 day'"
    with fresh_database() as url, tables_of(url) as tables:
        tables.execute("BEGIN")
        tables.execute("LOCK TABLE messages")
        with pytest.raises(BackupError, match="too busy"):
            run(restoring.restore(url, file, store, replace=True))
        tables.execute("ROLLBACK")
        assert tables.value(f"SELECT count(*) FROM stray_objects WHERE due_at BETWEEN {tomorrow}") == 4
        run(restoring.restore(url, file, store, replace=True))
        assert tables.value("SELECT count(*) FROM stray_objects") == 0
        assert tables.value("SELECT count(*) FROM files") == 2
    assert sum(each.is_file() for each in (tmp_path / "files").rglob("*")) == 4


def test_a_restore_without_its_store_changes_nothing_and_says_why(alice: Person, photo: str, tmp_path: Path) -> None:
    url, file = alice.server.database_url, tmp_path / "chat.backup"
    chat(alice.server, url, "backup", "--without-files", file)
    environment = {"DATABASE_URL": url, "FILES_URL": "s3://files?endpoint=http://127.0.0.1:9", **CREDENTIALS}
    done = run_chat("restore", "--replace", file, environment=environment)
    assert done.returncode == 1
    assert re.fullmatch(r"simplechat: the store of files does not work: .*\n", done.stderr)
    assert alice.get(photo).status_code == 200
