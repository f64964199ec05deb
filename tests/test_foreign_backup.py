"""Forged backups: to get in, to deceive readers, or to fill a machine."""

import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from chat.backup import restoring, writing
from chat.backup.file import BackupError
from chat.files.folder import Folder
from tests.support.databases import admin_url, execute, fresh_database, query, run
from tests.support.people import Person, first_run, sign_up
from tests.support.server import ROOT, SECRET_KEY, ChatServer
from tests.test_backup import Manifest, everything

MEGABYTE = 1024 * 1024
MANY = 200
WORDS = ("the", "hall", "is", "ours", "on", "Friday", "from", "six", "bring", "cables", "and", "projectors")
FORGED = '<img src=x onerror="alert(1)"><a class="mention" href="/people/1">@Bob Brown</a>'

LINKED = """
    WITH preview AS (
        INSERT INTO link_previews (address, host, expires_at, site, title)
        VALUES ('https://example.org', 'example.org', now(), 'Example', 'An example')
        RETURNING id
    ), link AS (
        INSERT INTO message_links (message_id, place, address, preview_id)
        SELECT 1, 1, 'https://example.org', id FROM preview
    )
    UPDATE messages SET link_count = 1 WHERE id = 1
"""
NO_FILES = Folder(Path(tempfile.gettempdir(), "simplechat-no-files"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, ChatServer]]:
    """A chat in which a mentioned person has changed their name, and a backup of it."""
    with fresh_database() as url:
        server = ChatServer(url)
        try:
            server.start()
            alice = first_run(server)
            bob = sign_up(server, "Bob Brown")
            alice.post(
                1, "hello @Bob Brown and @room, see **this**: `x < y` \\N\tand\n> a quote\n\nhttps://example.org"
            )
            alice.post(1, "/me waves at @bob brown, not at @Nobody")
            bob.submit("/messages/1/reactions", {"emoji": "👍"})
            assert bob.submit("/profile/name", {"name": "Robert Brown"}).status_code == 303
            bob.post(1, "I am @Robert Brown now, @Alice Adams")
            alice.post(alice.open_direct(bob), "between us")
            alice.post(1, "gone soon")
            alice.delete(query(url, "SELECT max(id) AS id FROM messages")[0]["id"])
            run(execute(url, LINKED))
            file = tmp_path_factory.mktemp("source") / "monday.backup"
            run(writing.write(url, file, NO_FILES))
            yield url, file, server
        finally:
            server.remove()


@pytest.fixture
def parts(source: tuple[str, Path, ChatServer]) -> dict[str, bytes]:
    """The backup's parts, to be changed."""
    with zipfile.ZipFile(source[1]) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def made_of(parts: dict[str, bytes], file: Path) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


def manifest_of(parts: dict[str, bytes]) -> Manifest:
    manifest: Manifest = json.loads(parts["manifest.json"])
    return manifest


def with_field(parts: dict[str, bytes], table: str, row_id: int, column: str, content: str) -> None:
    """Replace a field of a row."""
    columns = manifest_of(parts)["tables"][table]["columns"]
    rows = [dict(zip(columns, row.split(b"\t"), strict=True)) for row in parts[table].splitlines()]
    for row in rows:
        if int(row["id"]) == row_id:
            row[column] = content.encode()
    parts[table] = b"".join(b"\t".join(row.values()) + b"\n" for row in rows)


def restored(file: Path, url: str, **options: bool) -> None:
    run(restoring.restore(url, file, NO_FILES, **{"replace": False, **options}))


def refusal(file: Path, **options: bool) -> str:
    """Restore a backup that is refused; returns the error, and checks that nothing has changed."""
    with fresh_database() as target:
        with pytest.raises(BackupError) as refused:
            restored(file, target, **options)
        assert not query(target, "SELECT FROM users")
        assert not query(
            target, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle%'"
        )
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_restored_mentions_survive_a_change_of_names(source: tuple[str, Path, ChatServer]) -> None:
    url, file, _ = source
    with fresh_database() as target:
        restored(file, target)
        assert everything(target) == everything(url)
        (first,) = query(target, "SELECT body_html FROM messages WHERE id = 1")
        assert '<a class="mention" href="/people/2"' in first["body_html"]
        assert "@Bob Brown</a>" in first["body_html"]
        assert '<span class="mention">@room</span>' in first["body_html"]


@pytest.mark.parametrize("forged", [FORGED, "", "<p>something else</p>"])
def test_a_restore_renders_messages_from_their_text(parts: dict[str, bytes], tmp_path: Path, forged: str) -> None:
    for number in range(1, 6):
        with_field(parts, "messages", number, "body_html", forged)
    with_field(parts, "messages", 1, "body", "hello @Robert Brown, @Nobody, @Bob Brown, @room and <b>you</b>")
    with fresh_database() as target:
        restored(made_of(parts, tmp_path / "forged"), target)
        rows = query(target, "SELECT body, body_html FROM messages ORDER BY id")
    assert not any(row["body_html"] and ("<img" in row["body_html"] or "else" in row["body_html"]) for row in rows)
    assert rows[0]["body_html"] == (
        '<p>hello <a class="mention" href="/people/2" rel="noopener noreferrer nofollow">@Robert Brown</a>, @Nobody, '
        '@Bob Brown, <span class="mention">@room</span> and &lt;b&gt;you&lt;/b&gt;</p>'
    )
    assert [row["body_html"] == "" for row in rows] == [row["body"] == "" for row in rows]


def test_a_forged_mention_is_not_restored(parts: dict[str, bytes], tmp_path: Path) -> None:
    with_field(parts, "messages", 1, "body", "hello @Bob Brown")
    with_field(parts, "messages", 1, "body_html", '<p>hello <a class="mention" href="/people/99">@Bob Brown</a></p>')
    with fresh_database() as target:
        restored(made_of(parts, tmp_path / "forged"), target)
        assert query(target, "SELECT body_html FROM messages WHERE id = 1")[0]["body_html"] == "<p>hello @Bob Brown</p>"


@pytest.mark.parametrize(
    "reactions",
    [
        "null",
        "7",
        '{"emoji": "👍"}',
        '[{"emoji": "👍"}]',
        '[{"emoji": 7, "by": [1]}]',
        '[{"emoji": "👍", "by": 1}]',
        '[{"emoji": "👍", "by": ["1"]}]',
        '[{"emoji": "👍", "by": [true]}]',
        '[{"emoji": "👍", "by": [1.5]}]',
        "not json",
        "[" * 100_000,
        json.dumps([{"emoji": "👍", "by": [1]}] * 21),
    ],
    ids=lambda text: text[:30],
)
def test_malformed_reactions_are_refused(parts: dict[str, bytes], tmp_path: Path, reactions: str) -> None:
    with_field(parts, "messages", 1, "reactions", reactions)
    assert "messages, row " in refusal(made_of(parts, tmp_path / "forged"))


@pytest.mark.parametrize(
    ("table", "column", "forged"),
    [
        ("message_links", "address", "javascript:alert(1)//rooms/1/messages/1"),
        ("message_links", "address", "data:text/html,x"),
        ("link_previews", "address", "javascript:alert(1)"),
        ("link_previews", "title", "\u202egpj.exe"),
        ("link_previews", "site", "two\\nlines"),
        ("link_previews", "picture_kind", "text/html"),
    ],
)
def test_a_forged_preview_is_refused(
    parts: dict[str, bytes], tmp_path: Path, table: str, column: str, forged: str
) -> None:
    with_field(parts, table, 1, column, forged)
    assert f"{table}, row 1: " in refusal(made_of(parts, tmp_path / "forged"))


def test_a_reaction_other_than_an_emoji_is_not_restored(parts: dict[str, bytes], tmp_path: Path) -> None:
    kept = [{"emoji": "<script>", "by": [1]}, {"emoji": "👍", "by": [1, 2]}]
    with_field(parts, "messages", 1, "reactions", json.dumps(kept, ensure_ascii=False))
    with fresh_database() as target:
        restored(made_of(parts, tmp_path / "forged"), target)
        (row,) = query(target, "SELECT reactions FROM messages WHERE id = 1")
    assert json.loads(row["reactions"]) == [{"emoji": "👍", "by": [1, 2]}]


@pytest.mark.parametrize(
    "table",
    [
        "pg_authid",
        "pg_catalog.pg_authid",
        "pg_proc",
        "pg_largeobject",
        "information_schema.tables",
        "alembic_version",
        "searchable",
        "search_progress",
        "Users",
        "users; DROP TABLE users",
        "",
        "../../etc/passwd",
    ],
)
def test_a_restore_writes_no_other_table(parts: dict[str, bytes], tmp_path: Path, table: str) -> None:
    manifest = manifest_of(parts)
    manifest["tables"][table] = {"columns": ["rolname", "rolsuper"], "rows": 1}
    parts |= {"manifest.json": json.dumps(manifest).encode(), table or "x": b"mallory\tt\n"}
    before = query(admin_url(), "SELECT rolname FROM pg_roles ORDER BY 1")
    assert "is not the chat's" in refusal(made_of(parts, tmp_path / "forged"))
    assert query(admin_url(), "SELECT rolname FROM pg_roles ORDER BY 1") == before


@pytest.mark.parametrize(
    "column", ["ctid", "xmin", "tableoid", "password", "Email", 'email", "name', "rolsuper", "words"]
)
def test_a_restore_writes_no_other_column(parts: dict[str, bytes], tmp_path: Path, column: str) -> None:
    manifest = manifest_of(parts)
    manifest["tables"]["users"]["columns"].append(column)
    parts["users"] = b"".join(row + b"\t1\n" for row in parts["users"].splitlines())
    parts["manifest.json"] = json.dumps(manifest).encode()
    assert f"users has no {column!r}" in refusal(made_of(parts, tmp_path / "forged"))


def changed(**changes: object) -> Callable[[Manifest], object]:
    return lambda manifest: {**manifest, **changes}


def users_said_to_be(said: object) -> Callable[[Manifest], object]:
    return lambda manifest: {**manifest, "tables": {**manifest["tables"], "users": said}}


@pytest.mark.parametrize(
    "change",
    [
        changed(tables=[]),
        changed(tables=None),
        changed(revision=7),
        changed(revision=["0001"]),
        changed(revision={}),
        changed(format="1"),
        changed(format=None),
        users_said_to_be([]),
        users_said_to_be({"columns": ["id"]}),
        users_said_to_be({"columns": [], "rows": 2}),
        users_said_to_be({"columns": "id", "rows": 2}),
        users_said_to_be({"columns": ["id", "id"], "rows": 2}),
        users_said_to_be({"columns": [["id"]], "rows": 2}),
        users_said_to_be({"columns": [7], "rows": 2}),
        users_said_to_be({"columns": ["id"], "rows": -1}),
        users_said_to_be({"columns": ["id"], "rows": "2"}),
        users_said_to_be({"columns": ["id"], "rows": True}),
        users_said_to_be({"columns": ["id"], "rows": 1e300}),
        lambda manifest: [],
        lambda manifest: "text",
        lambda manifest: None,
        lambda manifest: {},
    ],
)
def test_a_manifest_with_another_structure_is_refused(
    parts: dict[str, bytes], tmp_path: Path, change: Callable[[Manifest], object]
) -> None:
    parts["manifest.json"] = json.dumps(change(manifest_of(parts))).encode()
    assert refusal(made_of(parts, tmp_path / "forged"))


@pytest.mark.parametrize(
    "text",
    [b"[" * 200_000, b"\xff\xfe", b"", b" " * (2 * MEGABYTE), b'{"format": ' + b"9" * 10_000 + b"}", b"NaN", b"\x00"],
    ids=["nested", "bytes", "empty", "long", "number", "NaN", "NUL"],
)
def test_an_unreadable_manifest_is_refused(parts: dict[str, bytes], tmp_path: Path, text: bytes) -> None:
    parts["manifest.json"] = text
    assert "is not a complete backup" in refusal(made_of(parts, tmp_path / "forged"))


def test_a_backup_with_anything_but_tables_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    assert "no table" in refusal(made_of(parts | {"extra": b"x"}, tmp_path / "forged"))


def test_a_missing_or_repeated_table_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    file = made_of(parts, tmp_path / "forged")
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("users", b"")
    assert "same name twice" in refusal(file)
    del parts["messages"]
    assert "damaged" in refusal(made_of(parts, tmp_path / "without"))


@pytest.mark.parametrize(("place", "value", "expected"), [(8, 0x1, "encrypted"), (10, 14, "not packed as our backups")])
def test_encrypted_parts_and_unknown_compression_are_refused(
    parts: dict[str, bytes], tmp_path: Path, place: int, value: int, expected: str
) -> None:
    data = bytearray(made_of(parts, tmp_path / "forged").read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + place, value)
    (tmp_path / "forged").write_bytes(data)
    assert expected in refusal(tmp_path / "forged")


def test_every_damaged_byte_gives_a_single_clear_line(parts: dict[str, bytes], tmp_path: Path) -> None:
    whole = made_of(parts, tmp_path / "whole").read_bytes()
    file, said = tmp_path / "damaged", []
    with fresh_database() as target:
        for place in range(0, len(whole), max(1, len(whole) // 60)):
            for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
                file.write_bytes(damaged)
                try:
                    restored(file, target, replace=True)
                except BackupError as error:
                    said.append(str(error))
                else:
                    assert len(damaged) == len(whole), "only an unused byte may differ"
    assert not any("\n" in line for line in said)


def unpacks_to(parts: dict[str, bytes], file: Path, size: int, line: bytes) -> Path:
    """A backup whose messages unpack to `size` bytes of the same line."""
    manifest = manifest_of(parts)
    manifest["tables"]["messages"]["rows"] = size // len(line)
    parts["manifest.json"] = json.dumps(manifest).encode()
    parts["messages"] = b""
    made_of({name: content for name, content in parts.items() if name != "messages"}, file)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("messages", "w") as part:
        for _ in range(size // len(line) // 1000 + 1):
            part.write(line * 1000)
    return file


def restore_with_its_memory(file: Path, url: str, *options: str) -> tuple[str, float]:
    """Run `restore`; returns its output, and its most megabytes of memory."""
    code = (
        "import re, sys\nfrom pathlib import Path\nfrom chat.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\n"
        # Not ru_maxrss, which begins with the memory of the tests that started this process.
        "finally:\n    print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "restore", *options, str(file)],
        env={"PATH": "", "PYTHONPATH": str(ROOT), "DATABASE_URL": url, "SECRET_KEY": SECRET_KEY},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stderr.strip(), int(done.stdout.splitlines()[-1]) / 1024


@pytest.mark.parametrize("line", [b"x" * 1000, b"1\t" * 499 + b"1\n"], ids=["one line", "many lines"])
def test_a_small_file_with_huge_contents_is_refused_before_unpacking(
    parts: dict[str, bytes], tmp_path: Path, line: bytes
) -> None:
    file = unpacks_to(parts, tmp_path / "bomb", 400 * MEGABYTE, line)
    assert file.stat().st_size < 3 * MEGABYTE
    with fresh_database() as target:
        said, memory = restore_with_its_memory(file, target)
        assert "too much for its size: use --any-size" in said
        assert memory < 200
        # With --any-size the backup is unpacked, but never held in memory as a whole.
        said, memory = restore_with_its_memory(file, target, "--any-size")
        assert said
        assert memory < 200
        assert not query(target, "SELECT FROM users")


def test_more_parts_than_tables_cost_no_memory(parts: dict[str, bytes], tmp_path: Path) -> None:
    file = made_of(parts | {f"{number:060}": b"" for number in range(20_000)}, tmp_path / "forged")
    assert "is not a complete backup" in refusal(file)


def test_a_large_chat_is_restored_without_the_option_any_size(
    parts: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What this chat unpacks to has to be in proportion to its file, as that of a chat a hundred times as large.
    monkeypatch.setattr("chat.backup.file.ALWAYS_ALLOWED", MEGABYTE)
    rows = parts["messages"].splitlines(keepends=True)
    columns = manifest_of(parts)["tables"]["messages"]["columns"]
    many = []
    for number in range(MANY):
        row = dict(zip(columns, rows[1].split(b"\t"), strict=True))
        place = b"%d" % (number + 1000)
        client = b"00000000-0000-0000-0000-%012d" % number
        body = " ".join(random.Random(number).choices(WORDS, k=1500)).encode()
        row |= {"id": place, "client_id": client, "position": place, "revision": place, "body": body}
        row["body_html"] = b"<p>%b</p>" % body
        many.append(b"\t".join(row[column].strip(b"\n") for column in columns) + b"\n")
    manifest = manifest_of(parts)
    manifest["tables"]["messages"]["rows"] += len(many)
    parts |= {"manifest.json": json.dumps(manifest).encode(), "messages": b"".join([*rows, *many])}
    with fresh_database() as target:
        restored(made_of(parts, tmp_path / "large"), target)
        assert query(target, "SELECT count(*) AS n FROM messages")[0]["n"] == len(rows) + MANY


@pytest.mark.parametrize(
    "password_hash",
    [
        "\\N",
        "",
        "plain",
        "$argon2id$v=19$m=4194304,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=99,p=4$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=3,p=99$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=3,p=4$***$" + "A" * 43,
        "$2b$31$" + "a" * 53,
    ],
)
def test_a_password_hash_too_expensive_to_verify_is_refused(
    parts: dict[str, bytes], tmp_path: Path, password_hash: str
) -> None:
    with_field(parts, "users", 1, "password_hash", password_hash)
    assert "users, row " in refusal(made_of(parts, tmp_path / "forged"))


def test_a_message_without_markup_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    with_field(parts, "messages", 1, "body_html", "\\N")
    assert ": a field that is always filled is empty" in refusal(made_of(parts, tmp_path / "forged"))


@pytest.mark.parametrize(
    ("table", "column", "content"),
    [
        ("messages", "id", "9223372036854775807"),
        ("messages", "revision", "9223372036854775807"),
        ("messages", "position", "-1"),
        ("rooms", "revision", "9223372036854775807"),
        ("rooms", "message_count", "1000000000000000"),
        ("rooms", "slow_seconds", "2147483647"),
        ("rooms", "created_at", "infinity"),
        ("messages", "created_at", "294276-12-31 00:00:00+00"),
        ("messages", "created_at", "9999-12-31 23:59:59.999999+00"),
        ("messages", "created_at", "0001-01-01 00:00:00+00"),
        ("users", "created_at", "2026-01-01 00:00:00+00 BC"),
    ],
)
def test_a_number_or_a_time_out_of_range_is_refused(
    parts: dict[str, bytes], tmp_path: Path, table: str, column: str, content: str
) -> None:
    with_field(parts, table, 1, column, content)
    refused = refusal(made_of(parts, tmp_path / "forged"))
    assert f"{table}, row " in refused
    assert f": {column} is out of range" in refused


def test_a_backup_with_people_but_without_an_installation_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    manifest = manifest_of(parts)
    manifest["tables"]["installation"]["rows"] = 0
    parts |= {"manifest.json": json.dumps(manifest).encode(), "installation": b""}
    assert "people, but no chat" in refusal(made_of(parts, tmp_path / "forged"))


def test_a_forged_direct_room_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    with_field(parts, "rooms", 2, "direct_key", "\\\\x" + "00" * 32)
    assert "a direct conversation" in refusal(made_of(parts, tmp_path / "forged"))


def test_sessions_in_another_chats_backup_sign_no_member_in(
    source: tuple[str, Path, ChatServer], tmp_path: Path
) -> None:
    """A browser's token names a session by its number, and every chat counts from 1."""
    _, foreign, _ = source
    with fresh_database() as target:
        here = ChatServer(target)
        try:
            here.start()
            first_run(here)
            mallory = sign_up(here, "Mallory Moss")
            own = tmp_path / "own"
            run(writing.write(target, own, NO_FILES))
            restored(foreign, target, replace=True)
            assert mallory.client.get("/profile").status_code == 303, "it would be the profile of Bob Brown"
            assert not query(target, "SELECT FROM sessions")
        finally:
            here.remove()


def test_a_restore_neither_ends_nor_revives_sessions(alice: Person, bob: Person, tmp_path: Path) -> None:
    url = alice.server.database_url
    run(writing.write(url, tmp_path / "own", NO_FILES))
    tokens = httpx.Cookies(bob.client.cookies)
    assert bob.submit("/sign-out").status_code == 303
    restored(tmp_path / "own", url, replace=True)
    assert alice.client.get("/profile").status_code == 200
    with httpx.Client(base_url=alice.server.url, cookies=tokens) as copied:
        assert copied.get("/profile").status_code == 303, "the backup is older than the sign-out"


def test_a_restore_killed_halfway_changes_nothing(source: tuple[str, Path, ChatServer], tmp_path: Path) -> None:
    _, file, _ = source
    with fresh_database() as target:
        restored(file, target)
        before = everything(target)
        run(
            execute(
                target,
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$",
            )
        )
        run(execute(target, "CREATE TRIGGER slow BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION slow()"))
        process = subprocess.Popen(
            [sys.executable, "-m", "chat", "restore", "--replace", str(file)],
            cwd=ROOT,
            env={"PATH": "", "DATABASE_URL": target, "SECRET_KEY": SECRET_KEY},
        )
        copying = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%messages%'"
        deadline = time.monotonic() + 120
        while not query(target, copying):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.wait(30)
        run(execute(target, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%messages%'"))
        run(execute(target, "DROP TRIGGER slow ON messages"))
        assert everything(target) == before
