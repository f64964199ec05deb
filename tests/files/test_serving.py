"""Serving files: readers, headers, ranges, and attacks."""

import shutil
import time
from collections.abc import Callable
from urllib.parse import unquote
from uuid import uuid4

import httpx
import pytest

from chat.files.names import shown_name, shown_size
from chat.files.ranges import ranges_of
from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.server import ChatServer
from tests.support.uploading import TUS, append, begin, paths_in, post_files, send_file, upload

SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
PAGE = b"<!doctype html><script>alert(1)</script>"
HARMLESS = "application/octet-stream"
ATTACKS = {
    "a drawing with a script": ("drawing.svg", SCRIPT, HARMLESS),
    "a drawing named as a photo": ("photo.png", SCRIPT, HARMLESS),
    "a page": ("page.html", PAGE, HARMLESS),
    "a page named as a film": ("film.mp4", PAGE, HARMLESS),
    "a page after the beginning of a picture": ("photo.gif", b"GIF89a/*" + PAGE, "image/gif"),
    "a page after the beginning of a sound": ("song.mp3", b"ID3" + PAGE, "audio/mpeg"),
    "a document": ("paper.pdf", b"%PDF-1.7\n" + PAGE, HARMLESS),
    "a script": ("code.js", b"alert(1)", HARMLESS),
    "a style sheet": ("style.css", b"* { background: url(//evil.example) }", HARMLESS),
    "an archive": ("../../etc/passwd.zip", b"PK\x03\x04../../etc/passwd", HARMLESS),
}


def test_a_hostile_file_is_never_more_than_a_download_or_a_broken_picture(alice: Person, bob: Person) -> None:
    for name, data, kind in ATTACKS.values():
        path = send_file(alice, name, data)
        answer = bob.get(path)
        assert answer.content == data, name
        assert answer.headers["content-type"] == kind, name
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers.get_list("content-security-policy") == [
            "default-src 'none'; sandbox; frame-ancestors 'none'"
        ]
        if kind == HARMLESS:
            assert answer.headers["content-disposition"].startswith("attachment; "), name
        assert bob.get(f"{path}?download").headers["content-type"] == HARMLESS


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("a\r\nSet-Cookie: x=y\r\n\r\n.txt", "a Set-Cookie: x=y .txt"),
        ('a"; filename="b.html', 'a"; filename="b.html'),
        ("a\0b.png", "a b.png"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("..", "file"),
        ("", "file"),
        ("x" * 300 + ".jpeg", "x" * 194 + "….jpeg"),
        ("<img src=x onerror=alert(1)>.txt", "<img src=x onerror=alert(1)>.txt"),
        ("päper 100%.txt", "päper 100%.txt"),
    ],
)
def test_a_name_is_never_a_path_nor_a_header(name: str, shown: str) -> None:
    assert shown_name(name) == shown


def test_a_file_with_a_hostile_name_is_sent_under_one_line(alice: Person) -> None:
    for name in (
        "a\r\nSet-Cookie: x=y.txt",
        'a"; filename="b.html',
        "<img src=x onerror=alert(1)>.txt",
        "päper 100%.txt",
    ):
        path = send_file(alice, name, b"words")
        answer = alice.get(path)
        assert answer.content == b"words"
        assert "set-cookie" not in answer.headers
        head, _, encoded = answer.headers["content-disposition"].rpartition("filename*=UTF-8''")
        assert unquote(encoded) == shown_name(name)
        assert head.count('"') == 2
    assert "<img src=x" not in alice.get("/rooms/1").text


def test_a_link_ends_with_the_membership(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room("Board", "closed")
    alice.submit(f"/rooms/{room_id}/members", {"person": str(bob.id)})
    path = send_file(alice, "plan.txt", b"the plan", room_id=room_id)
    etag = bob.get(path).headers["etag"]
    assert bob.get(path, **{"If-None-Match": etag}).status_code == 304
    assert carol.get(path).status_code == 404
    alice.submit(f"/rooms/{room_id}/members/{bob.id}/remove")
    assert bob.get(path).status_code == 404
    assert bob.get(path, **{"If-None-Match": etag}).status_code == 404
    assert alice.get(path).headers["cache-control"] == "private, no-cache"


def test_an_upload_is_seen_by_its_author_only_until_it_is_sent(alice: Person, bob: Person) -> None:
    number = upload(alice, 1, "draft.txt", b"a draft")
    assert alice.get(f"/files/{number}/draft.txt").content == b"a draft"
    assert bob.get(f"/files/{number}/draft.txt").status_code == 404
    assert alice.get(f"/files/{number}/thumbnails/1").status_code == 404
    assert alice.get(f"/files/{number}/thumbnails/3").status_code == 404


DATA = bytes(range(250)) * 4


PARTS: list[tuple[str, bytes | None]] = [
    ("bytes=0-9", DATA[:10]),
    ("bytes=990-", DATA[990:]),
    ("bytes=-10", DATA[-10:]),
    ("bytes=-5000", DATA),
    ("bytes=990-5000", DATA[990:]),
    ("bytes=1000-", None),
    ("bytes=-0", None),
    ("bytes=9-0", DATA),
    ("bytes=a-b", DATA),
    ("lines=0-9", DATA),
    ("bytes=" + ",".join(["0-1"] * 100), DATA),
    ("bytes=0-999,0-999", DATA),
]


def test_a_part_of_a_file_is_sent(alice: Person) -> None:
    path = send_file(alice, "data.bin", DATA)
    for asked, expected in PARTS:
        answer = alice.get(path, Range=asked)
        if expected is None:
            assert answer.status_code == 416, asked
            assert answer.headers["content-range"] == "bytes */1000"
        else:
            assert answer.content == expected, asked
            assert answer.status_code in ({200, 206} if expected == DATA else {206})


@pytest.mark.parametrize("hostile", [" " * 30_000 + "x", "x" + " " * 30_000 + "-", "1" * 15 + " " * 30_000 + "x"])
def test_a_range_of_many_spaces_holds_nobody_up(hostile: str) -> None:
    began = time.process_time()
    assert ranges_of(f"bytes=0-1,{hostile}", 1000) == []
    assert time.process_time() - began < 0.1


def test_several_parts_of_a_file_are_sent_together(alice: Person) -> None:
    path = send_file(alice, "data.bin", DATA)
    answer = alice.get(path, Range="bytes=0-4, 10-19,-1")
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    assert len(answer.content) == int(answer.headers["content-length"])
    parts = answer.content.split(f"--{boundary}".encode())[1:-1]
    assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts] == [DATA[:5], DATA[10:20], DATA[-1:]]
    changed = alice.get(path, **{"Range": "bytes=0-4", "If-Range": '"another"'})
    assert changed.content == DATA


def test_the_head_of_a_file_costs_the_store_nothing(alice: Person) -> None:
    path = send_file(alice, "data.bin", DATA)
    for stored in alice.server.files.rglob("*"):
        if stored.is_file():
            stored.unlink()
    for asked, status, size in [("", 200, 1000), ("bytes=0-9", 206, 10), ("bytes=1000-", 416, 0)]:
        answer = alice.client.head(path, headers={"Range": asked})
        assert (answer.status_code, answer.headers["content-length"]) == (status, str(size))
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_object_that_is_lost_is_an_error_page(alice: Person) -> None:
    path = send_file(alice, "photo.png", encoded(plain(), "PNG"))
    shutil.rmtree(alice.server.files)
    for wanted in ("", "bytes=0-9", "bytes=0-9,20-29"):
        assert alice.get(path, Range=wanted).status_code == 503, wanted
    assert alice.get(f"{path.rpartition('/')[0]}/thumbnails/1").status_code == 503
    alice.server.until_logged("The store of files: ", times=4)
    assert "Traceback" not in alice.server.log


def test_a_download_breaks_off_when_the_store_fails_within_it(alice: Person) -> None:
    path = send_file(alice, "film.bin", bytes(32 * 2**20))
    for wanted in ("", "bytes=0-33554430", "bytes=0-9,10-33554431"):
        with alice.client.stream("GET", path, headers={"Range": wanted}) as answer:
            content = answer.iter_raw()
            next(content)
            alice.server.files.rename(alice.server.files.with_suffix(".away"))
            with pytest.raises(httpx.RemoteProtocolError):
                list(content)
        alice.server.files.with_suffix(".away").rename(alice.server.files)
    alice.server.until_logged("A file was sent in part, because its store failed: ", times=3)
    assert "Traceback" not in alice.server.log
    assert alice.get(path).content == bytes(32 * 2**20)


def test_nginx_is_told_which_file_to_send(start_server: Callable[..., ChatServer], alice: Person) -> None:
    path = send_file(alice, "data.bin", DATA)
    alice.server.stop()
    alice.server._environment["FILES_ACCEL"] = "/protected/"
    alice.server.start()
    answer = alice.get(path)
    place = answer.headers["x-accel-redirect"].removeprefix("/protected/")
    assert (alice.server.files / place).read_bytes() == DATA
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.content == b""


def test_a_thousand_tiny_uploads_end_at_the_limit_of_a_person(alice: Person, bob: Person) -> None:
    statuses = [begin(bob, 1, "a.txt", 0).status_code for _ in range(103)]
    assert statuses == [201] * 100 + [422] * 3
    assert begin(alice, 1, "a.txt", 1).status_code == 201


def test_all_files_together_fit_into_the_space_for_them(alice: Person, bob: Person) -> None:
    alice.server.stop()
    alice.server._environment["MAX_STORAGE"] = "1"
    alice.server.start()
    path = send_file(alice, "film.bin", bytes(900_000))
    refused = begin(bob, 1, "film.bin", 200_000)
    assert refused.status_code == 422
    assert "There is no space left for files in this chat. Tell an administrator." in refused.text
    assert begin(bob, 1, "notes.txt", 1000).status_code == 201
    assert bob.get(path).status_code == 200


def test_only_files_of_allowed_types_are_taken_whatever_their_names_say(alice: Person) -> None:
    alice.server.stop()
    alice.server._environment["FILE_TYPES"] = "image/*, application/pdf"
    alice.server.start()
    for name, data in (("flag.jpg", encoded(plain(), "PNG")), ("minutes.bin", b"%PDF-1.4 minutes")):
        assert alice.get(send_file(alice, name, data)).status_code == 200
    begun = begin(alice, 1, "notes.png", 5)
    refused = append(alice, begun.headers["location"], 0, b"notes")
    assert refused.status_code == 422
    assert "“notes.png” is of a kind that this chat does not take." in refused.text
    assert alice.client.head(begun.headers["location"], headers=TUS).status_code == 404
    fields = {"body": "my notes", "client_id": str(uuid4())}
    answer = alice.client.post("/rooms/1/messages", data=fields, files=[("file", ("notes.pdf", b"notes"))])
    assert answer.status_code == 422
    assert "is of a kind that this chat does not take" in answer.text
    assert "my notes" in answer.text, "the text is kept"


def test_a_message_has_at_most_twenty_files(alice: Person) -> None:
    files = [upload(alice, 1, "a.txt", b"a") for _ in range(21)]
    answer = post_files(alice, 1, files)
    assert answer.status_code == 422
    assert "at most 20 files" in answer.text
    assert len(paths_in(post_files(alice, 1, files[:20]).text)) == 20


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1 kB"), (1_300_000, "1.2 MB"), (2**34, "16 GB")],
)
def test_a_size_is_shown_as_people_read_it(size: int, shown: str) -> None:
    assert shown_size(size) == shown
