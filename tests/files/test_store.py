"""The store of files: one suite for a folder and for a bucket of a real S3 server."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psutil
import pytest

from chat.errors import CannotRun
from chat.files.opening import open_store
from chat.files.store import Store, StoreUnavailable
from tests.support.s3_server import BUCKET, CREDENTIALS, s3_server, s3rver
from tests.support.server import ROOT

pytestmark = pytest.mark.anyio
MEGABYTE = 2**20
KILLED_WHILE_WRITING = """
import asyncio, os, signal, sys, uuid
from chat.files.opening import open_store

async def content():
    yield bytes(1_000_000)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(open_store(sys.argv[1]).put(uuid.UUID(sys.argv[2]), content()))
"""


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_server() as url:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield url


@pytest.fixture(scope="module")
def s3rver_url(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second server, as moto may be wrong. It takes the same credentials."""
    program = shutil.which("s3rver")
    if program is None:
        pytest.skip("s3rver is not installed (npm install --global s3rver)")
    with s3rver(program, tmp_path_factory.mktemp("s3rver")) as url:
        yield url


@pytest.fixture(params=["folder", "bucket", "bucket of s3rver"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "files"))
    url = request.getfixturevalue("s3_url" if request.param == "bucket" else "s3rver_url")
    return open_store(f"s3://{BUCKET}/some/prefix?endpoint={url}")


async def content_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(store: Store, key: UUID, start: int = 0, end: int | None = None) -> bytes:
    async with aclosing(store.read(key, start, end)) as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("size", [0, 1, 100_000, 12 * MEGABYTE + 7])
async def test_an_object_is_read_as_it_was_put(store: Store, size: int) -> None:
    key, data = uuid4(), os.urandom(size)
    pieces = [data[start : start + 65_537] for start in range(0, size, 65_537)]
    assert await store.put(key, content_of(*pieces)) == size
    assert await read(store, key) == data


async def test_deleting_removes_what_a_killed_process_has_left(tmp_path: Path) -> None:
    path, key = tmp_path / "files", uuid4()
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(path), key.hex]
    killed = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await killed.wait() == -signal.SIGKILL
    assert [file.stat().st_size > 0 for file in path.rglob("*") if file.is_file()] == [True]
    await open_store(str(path)).delete(key)
    assert [file for file in path.rglob("*") if file.is_file()] == []


# From 0 to 2, since s3rver sends everything when asked for the first byte alone.
@pytest.mark.parametrize(("start", "end"), [(0, 2), (0, None), (7, 20), (999_999, 1_000_000), (500_000, None), (5, 5)])
async def test_a_part_of_an_object_is_read(store: Store, start: int, end: int | None) -> None:
    key, data = uuid4(), os.urandom(1_000_000)
    await store.put(key, content_of(data))
    assert await read(store, key, start, end) == data[start:end]


@pytest.mark.parametrize("size", [1000, 7 * MEGABYTE])
async def test_of_content_that_breaks_off_nothing_is_kept(store: Store, size: int) -> None:
    key = uuid4()

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(size)
        raise RuntimeError("the line was cut")

    with pytest.raises((RuntimeError, StoreUnavailable)):
        await store.put(key, broken())
    with pytest.raises(StoreUnavailable):
        await read(store, key)


async def test_a_deleted_object_is_gone_and_may_be_deleted_again(store: Store) -> None:
    key = uuid4()
    await store.put(key, content_of(b"secret"))
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(StoreUnavailable):
        await read(store, key)


async def test_a_link_to_an_object_in_a_bucket_needs_no_credentials(store: Store) -> None:
    key = uuid4()
    await store.put(key, content_of(b"<script>alert(1)</script>"))
    link = await store.link_to(key, 60)
    if store.path_of(key) is not None:
        assert link is None
        return
    assert link is not None
    answer = await asyncio.to_thread(httpx.get, link)
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-type"] == "application/octet-stream"


async def test_an_object_that_was_put_leaves_nothing_beside_it(tmp_path: Path) -> None:
    store, key = open_store(f"file://{tmp_path}/files"), uuid4()
    await store.put(key, content_of(b"a", b"b"))
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == [
        tmp_path / "files" / str(store.path_of(key))
    ]


async def test_waiting_for_a_client_keeps_no_file_open(tmp_path: Path) -> None:
    store, key, seen = open_store(str(tmp_path / "files")), uuid4(), []

    def note_open_files() -> None:
        seen.append([file.path for file in psutil.Process().open_files() if str(tmp_path) in file.path])

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            note_open_files()
            yield bytes(MEGABYTE)

    await store.put(key, slow())
    async with aclosing(store.read(key)) as chunks:
        async for _ in chunks:
            note_open_files()
    assert len(seen) > 3
    assert not any(seen)


async def test_a_folder_that_cannot_be_written_to_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a folder")
    with pytest.raises(StoreUnavailable):
        await open_store(str(tmp_path / "files")).put(uuid4(), content_of(b"a"))
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        await open_store(str(tmp_path / "files" / "deeper")).check()


async def test_a_bucket_that_does_not_exist_is_unavailable(s3_url: str) -> None:
    store = open_store(f"s3://no-such-bucket?endpoint={s3_url}")
    with pytest.raises(StoreUnavailable):
        await store.put(uuid4(), content_of(b"a"))
    with pytest.raises(StoreUnavailable):
        await store.check()


async def test_a_store_that_works_passes_the_check(store: Store) -> None:
    await store.check()


@pytest.mark.parametrize("url", ["s3://", "ftp://example.org/files", "https://example.org"])
def test_an_address_of_no_store_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(CannotRun, match="FILES_URL"):
        open_store(url)
