"""A chat that keeps its files in a bucket: sending, serving and deleting them, and its memory."""

import os
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.people import Person, first_run
from tests.support.pictures import encoded, plain
from tests.support.s3_server import BUCKET, CREDENTIALS, s3_server
from tests.support.server import ChatServer
from tests.support.settled import settled_person
from tests.support.uploading import append, begin, growth_during_uploads, paths_in, post_files, send_file

MEGABYTE = 2**20
SIZE = int(os.environ.get("UPLOAD_MEGABYTES", "8")) * MEGABYTE
PEOPLE, MOST_GROWTH = 20, 64 * MEGABYTE


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def alice(s3_url: str, database_url: str, start_server: Callable[..., ChatServer]) -> Person:
    """The administrator of a chat with a bucket, whose downloads come from there."""
    where = f"s3://{BUCKET}/files?endpoint={s3_url}"
    server = start_server(database_url, FILES_URL=where, FILES_REDIRECT="yes", MAX_UPLOADS="1000", **CREDENTIALS)
    return settled_person(server, "Alice Adams") or first_run(server)


def number_of_objects(s3_url: str) -> int:
    return httpx.get(f"{s3_url}/{BUCKET}").text.count("<Key>")


def test_files_are_sent_served_and_deleted(s3_url: str, alice: Person) -> None:
    data, before = os.urandom(3 * MEGABYTE), number_of_objects(s3_url)
    path = begin(alice, 1, "data.bin", len(data)).headers["location"]
    append(alice, path, 0, data[: 2 * MEGABYTE])
    append(alice, path, 2 * MEGABYTE, data[2 * MEGABYTE :])
    answer = post_files(alice, 1, [int(path.rpartition("/")[2])], "the data")
    (file,) = paths_in(answer.text)
    link = alice.client.get(f"{file}?download", follow_redirects=False)
    assert link.status_code == 302
    assert link.headers["cache-control"] == "no-store"
    received = httpx.get(link.headers["location"])
    assert received.content == data
    assert received.headers["content-disposition"].startswith("attachment")
    picture = send_file(alice, "flag.png", encoded(plain(), "PNG"))
    shown = alice.get(picture)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png"), "pages load it from the chat"
    assert alice.get(picture, Range="bytes=0-7").content == shown.content[:8]
    assert alice.get(picture.rpartition("/")[0] + "/thumbnails/2").headers["content-type"] == "image/webp"
    for message in (1, 2):
        alice.delete(message)
    deadline = time.monotonic() + 30
    while number_of_objects(s3_url) > before:
        assert time.monotonic() < deadline, "the objects of deleted messages are still there"
        time.sleep(0.1)


def test_many_large_uploads_at_once_take_little_memory(alice: Person) -> None:
    send_file(alice, "first.bin", bytes(MEGABYTE))
    assert growth_during_uploads(alice, PEOPLE, SIZE) < MOST_GROWTH
