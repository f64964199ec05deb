"""Uploads that take long: over a line that breaks, many at once, too slow, and when the disk is full.

With `UPLOAD_MEGABYTES=200 UPLOAD_SECONDS=3` the line breaks every three seconds under 200 MB; `UPLOAD_MEGABYTES=100`
lets twenty people send 100 MB each.
"""

import asyncio
import hashlib
import os
import socket
import time

import httpx
import pytest

from tests.support.people import Person
from tests.support.uploading import TUS, append, begin, growth_during_uploads, paths_in, post_files, send_file
from tests.torture.proxy import Proxy

MEGABYTE = 2**20
SIZE = int(os.environ.get("UPLOAD_MEGABYTES", "8")) * MEGABYTE
CUT_SECONDS = float(os.environ.get("UPLOAD_SECONDS", "0.3"))
PEOPLE, MOST_GROWTH = 20, 64 * MEGABYTE
SERVE = "from chat.__main__ import main; main(['serve'])"


def content(size: int) -> bytes:
    """Bytes that differ everywhere."""
    block = os.urandom(MEGABYTE)
    return b"".join(number.to_bytes(8, "big") + block[8:] for number in range(size // MEGABYTE))


def send_over(line: httpx.Client, path: str, data: bytes) -> int:
    """Send a file as a browser does that goes on after each break; returns the number of requests."""
    for attempt in range(1, 10_000):
        try:
            offset = int(line.head(path, headers=TUS).headers["upload-offset"])
            if offset == len(data):
                return attempt
            headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            line.patch(path, headers=headers, content=data[offset:])
        except httpx.TransportError:
            continue
    raise AssertionError("it never arrives")


@pytest.mark.anyio
async def test_an_upload_over_a_line_that_breaks_all_the_time_arrives_whole(alice: Person) -> None:
    alice.server._environment["MAX_FILE_SIZE"] = "1000"
    await asyncio.to_thread(alice.server.restart)
    data, proxy = content(SIZE), Proxy(alice.server.port)
    proxy.delay = 0.01
    await proxy.start()
    path = begin(alice, 1, "film.bin", len(data)).headers["location"]
    url = f"http://127.0.0.1:{proxy.port}"
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=url, headers=headers, cookies=alice.client.cookies, timeout=30) as line:
        sending = asyncio.create_task(asyncio.to_thread(send_over, line, path, data))
        while not sending.done():
            await asyncio.wait([sending], timeout=CUT_SECONDS)
            proxy.cut()
        requests = await sending
    await proxy.stop()
    print(f"{SIZE // MEGABYTE} MB over a line that broke every {CUT_SECONDS:g} s: {requests} requests")
    assert requests > 2, "the line was cut"
    answer = post_files(alice, 1, [int(path.rpartition("/")[2])])
    received = alice.get(paths_in(answer.text)[0]).content
    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()


def test_many_large_uploads_at_once_take_little_memory(alice: Person) -> None:
    send_file(alice, "first.bin", bytes(MEGABYTE))
    assert growth_during_uploads(alice, PEOPLE, SIZE) < MOST_GROWTH


def test_a_client_that_stops_after_sending_much_is_dropped(alice: Person) -> None:
    limits = "import chat.serving.protocol as p; p.GRACE_SECONDS = 1; p.WINDOW_SECONDS = 2"
    alice.server.stop()
    alice.server.command = ["-c", f"{limits}; {SERVE}"]
    alice.server.start()
    path = begin(alice, 1, "film.bin", 10 * MEGABYTE).headers["location"]
    cookies = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
    head = {
        **TUS,
        "Host": f"127.0.0.1:{alice.server.port}",
        "Origin": alice.server.url,
        "Cookie": cookies,
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(10 * MEGABYTE),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", alice.server.port), timeout=60) as connection:
        connection.sendall(f"PATCH {path} HTTP/1.1\r\n{lines}\r\n".encode() + bytes(2 * MEGABYTE))
        assert b"408" in connection.recv(65536)
    deadline = time.monotonic() + 20
    while alice.client.head(path, headers=TUS).headers["upload-offset"] != str(2 * MEGABYTE):
        assert time.monotonic() < deadline, "what came counts"
        time.sleep(0.05)


def test_a_full_disk_is_a_clear_error_and_reading_goes_on(alice: Person) -> None:
    path = send_file(alice, "small.txt", b"small")
    alice.server.stop()
    alice.server.command = ["-c", f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (2**20, 2**20)); {SERVE}"]
    alice.server.start()
    large = begin(alice, 1, "large.bin", 2 * MEGABYTE).headers["location"]
    answer = append(alice, large, 0, bytes(2 * MEGABYTE))
    assert answer.status_code == 507
    assert "disk of the chat's files is full" in answer.text.replace("&#39;", "'")
    assert alice.client.head(large, headers=TUS).headers["upload-offset"] == "0"
    assert alice.get(path).content == b"small"
    fields = {"body": "look at this", "client_id": "11111111-1111-4111-8111-111111111111"}
    form = alice.client.post("/rooms/1/messages", data=fields, files=[("file", ("large.bin", bytes(2 * MEGABYTE)))])
    assert form.status_code == 422
    assert ">look at this</textarea>" in form.text
