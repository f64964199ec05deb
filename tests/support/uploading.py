"""Uploads as a browser makes them, by the tus protocol."""

import os
import re
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import psutil

from tests.support.people import Person

TUS = {"Tus-Resumable": "1.0.0"}


def begin(person: Person, room_id: int, name: str, size: int, client_id: str | None = None) -> httpx.Response:
    """Announce a file."""
    pairs = {"filename": name, "id": client_id or str(uuid4())}
    metadata = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in pairs.items())
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
    return person.client.post(f"/rooms/{room_id}/uploads", headers=headers)


def append(person: Person, path: str, offset: int, data: bytes) -> httpx.Response:
    """Send a part of a file."""
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return person.client.patch(path, headers=headers, content=data)


def upload(person: Person, room_id: int, name: str, data: bytes) -> int:
    """Send a file, and return the number of its upload."""
    begun = begin(person, room_id, name, len(data))
    assert begun.status_code == 201, begun.text
    path = begun.headers["location"]
    if data:
        sent = append(person, path, 0, data)
        assert sent.status_code == 204, sent.text
        assert sent.headers["upload-offset"] == str(len(data))
    return int(path.rpartition("/")[2])


def post_files(
    person: Person, room_id: int, uploads: Sequence[int], body: str = "", client_id: str | None = None
) -> httpx.Response:
    """Post a message with files the way htmx does."""
    fields = {"body": body, "client_id": client_id or str(uuid4()), "upload": [str(number) for number in uploads]}
    return person.submit(f"/rooms/{room_id}/messages", fields, htmx=True)


def send_file(person: Person, name: str, data: bytes, body: str = "", room_id: int = 1) -> str:
    """Post a message with a file, and return the path of the file."""
    answer = post_files(person, room_id, [upload(person, room_id, name, data)], body)
    assert answer.status_code == 200, answer.text
    return paths_in(answer.text)[0]


def paths_in(page: str) -> list[str]:
    """The paths of the files on a page."""
    return list(dict.fromkeys(re.findall(r'href="(/files/\d+/[^"?]+)', page)))


def growth_during_uploads(person: Person, number: int, size: int) -> int:
    """Send a number of files of a size at the same time; returns the bytes that the server's memory grew by."""
    assert person.server.process is not None
    process = psutil.Process(person.server.process.pid)
    before, block = process.memory_info().rss, os.urandom(64 * 1024)

    def blocks() -> Iterator[bytes]:
        for _ in range(size // len(block)):
            yield block

    def send(_: int) -> int:
        path = begin(person, 1, "large.bin", size).headers["location"]
        headers = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        headers |= dict(person.client.headers) | {"Content-Length": str(size)}
        cookies = person.client.cookies
        with httpx.Client(base_url=person.server.url, headers=headers, cookies=cookies, timeout=300) as client:
            return client.patch(path, content=blocks()).status_code

    with ThreadPoolExecutor(number) as pool:
        under_way = [pool.submit(send, each) for each in range(number)]
        peak = before
        while not all(each.done() for each in under_way):
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.02)
    assert [each.result() for each in under_way] == [204] * number
    print(f"{number} uploads of {size / 2**20:g} MB: the server grew by {(peak - before) / 2**20:.0f} MB")
    return peak - before
