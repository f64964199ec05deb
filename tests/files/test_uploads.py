"""Uploads, and messages with files."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from chat.accounts.person import Visitor
from chat.database.engine import create_engine
from chat.errors import InvalidInput
from chat.files.folder import Folder
from chat.files.uploading import Uploading
from chat.files.uploads import Announced, add_piece, begin_upload
from chat.ids import RoomId, SessionId, UserId
from chat.settings import FileLimits
from tests.support.people import Person, bodies
from tests.support.server import ChatServer
from tests.support.tables import tables_of
from tests.support.uploading import TUS, append, begin, paths_in, post_files, send_file, upload

LIMITS = FileLimits(most_bytes=100, most_files=20, most_stored=None, most_uploads=100, types=())


def objects_in(server: ChatServer) -> list[Path]:
    """The objects in a server's folder of files."""
    return [path for path in server.files.rglob("*") if path.is_file()]


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_stored(server: ChatServer, number: int) -> None:
    """Wait until the folder has a number of objects."""
    until(lambda: len(objects_in(server)) == number)


def test_a_file_is_posted_with_a_text_and_read_by_another_member(alice: Person, bob: Person) -> None:
    path = send_file(alice, "minutes of monday.txt", b"we met", "as promised")
    assert bob.reads(1) == ["as promised"]
    page = bob.get("/rooms/1").text
    assert paths_in(page) == [path]
    assert "minutes of monday.txt" in page
    assert "6 bytes" in page
    assert bob.get(path).content == b"we met"


def test_a_message_may_have_files_and_no_text(alice: Person) -> None:
    uploads = [upload(alice, 1, name, name.encode()) for name in ("b.txt", "a.txt")]
    answer = post_files(alice, 1, uploads)
    assert answer.status_code == 200, answer.text
    assert [path.rpartition("/")[2] for path in paths_in(alice.get("/rooms/1").text)] == ["b.txt", "a.txt"]
    assert post_files(alice, 1, []).status_code == 422
    assert alice.edit(1, "with a text").status_code == 200
    assert alice.edit(1, "").status_code == 200
    assert len(paths_in(alice.get("/rooms/1").text)) == 2


def test_an_upload_goes_on_where_it_broke_off(alice: Person) -> None:
    data = os.urandom(300_000)
    path = begin(alice, 1, "photo.bin", len(data)).headers["location"]
    assert append(alice, path, 0, data[:100_000]).headers["upload-offset"] == "100000"
    assert append(alice, path, 50_000, data[50_000:]).status_code == 409
    state = alice.client.head(path, headers=TUS)
    assert (state.headers["upload-offset"], state.headers["upload-length"]) == ("100000", "300000")
    assert append(alice, path, 100_000, data[100_000:200_000]).status_code == 204
    assert append(alice, path, 200_000, data[200_000:]).status_code == 204
    answer = post_files(alice, 1, [int(path.rpartition("/")[2])])
    assert alice.get(paths_in(answer.text)[0]).content == data
    until_stored(alice.server, 1)


def test_the_same_announcement_sent_twice_is_one_upload(alice: Person) -> None:
    client_id = str(uuid4())
    first = begin(alice, 1, "a.txt", 5, client_id)
    append(alice, first.headers["location"], 0, b"ab")
    again = begin(alice, 1, "a.txt", 5, client_id)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["upload-offset"] == "2"
    assert begin(alice, 1, "a.txt", 6, client_id).status_code == 422


def test_a_message_sent_twice_has_its_files_once(alice: Person) -> None:
    number, client_id = upload(alice, 1, "a.txt", b"a"), str(uuid4())
    first, again = (post_files(alice, 1, [number], "here", client_id) for _ in range(2))
    assert first.status_code == again.status_code == 200
    page = alice.get("/rooms/1").text
    assert bodies(page) == ["here"]
    assert len(paths_in(page)) == 1


def test_a_message_takes_only_its_authors_complete_uploads_to_its_room(alice: Person, bob: Person) -> None:
    elsewhere = alice.create_room("Elsewhere")
    incomplete = int(begin(alice, 1, "a.txt", 5).headers["location"].rpartition("/")[2])
    sent = upload(alice, 1, "sent.txt", b"a")
    post_files(alice, 1, [sent])
    wrong = [incomplete, sent, upload(bob, 1, "bob.txt", b"b"), upload(alice, elsewhere, "there.txt", b"c"), 999_999]
    for number in wrong:
        fine = upload(alice, 1, "fine.txt", b"fine")
        answer = post_files(alice, 1, [fine, number], "with files")
        assert answer.status_code == 422, number
        assert "file" in answer.text or "arrived" in answer.text
    assert bob.reads(1) == ["sent.txt"]


def test_deleting_a_message_deletes_its_files_from_the_store(alice: Person, bob: Person) -> None:
    path = send_file(alice, "secret.txt", b"secret")
    assert len(objects_in(alice.server)) == 1
    assert bob.get(path).status_code == 200
    alice.delete(1)
    assert bob.get(path).status_code == 404
    until_stored(alice.server, 0)


def test_deleting_a_room_deletes_its_files_from_the_store(alice: Person) -> None:
    room_id = alice.create_room("Short")
    send_file(alice, "a.txt", b"a", room_id=room_id)
    upload(alice, room_id, "not sent.txt", b"b")
    assert len(objects_in(alice.server)) == 2
    assert alice.submit(f"/rooms/{room_id}/delete", {"name": "Short"}).status_code == 303
    until_stored(alice.server, 0)


def test_a_cancelled_upload_goes_and_one_that_was_sent_stays(alice: Person, bob: Person) -> None:
    waiting, sent = upload(alice, 1, "a.txt", b"a"), upload(alice, 1, "b.txt", b"b")
    post_files(alice, 1, [sent])
    assert bob.client.delete(f"/uploads/{waiting}", headers=TUS).status_code == 404
    assert alice.client.delete(f"/uploads/{waiting}", headers=TUS).status_code == 204
    assert alice.client.delete(f"/uploads/{sent}", headers=TUS).status_code == 404
    until_stored(alice.server, 1)


def test_an_upload_that_was_never_sent_goes_after_a_day(alice: Person) -> None:
    path = send_file(alice, "sent.txt", b"sent")
    upload(alice, 1, "forgotten.txt", b"forgotten")
    with tables_of(alice.server.database_url) as tables:
        tables.execute("UPDATE files SET created_at = now() - interval '25 hours'")
    until_stored(alice.server, 1)
    assert alice.get(path).content == b"sent"


def test_killing_the_process_in_mid_upload_leaves_nothing_half(
    start_server: Callable[..., ChatServer], database_url: str, alice: Person
) -> None:
    """The piece was stored, but not counted: the client sends it again, and the store forgets the first."""
    data, path = os.urandom(50_000), begin(alice, 1, "photo.bin", 50_000).headers["location"]
    alice.server.stop()
    alice.server._environment["CRASH_POINTS"] = "after_piece:1"
    alice.server.start()
    with pytest.raises(httpx.TransportError):
        append(alice, path, 0, data)
    alice.server.process.wait(20)  # type: ignore[union-attr]  # it was started above
    del alice.server._environment["CRASH_POINTS"]
    alice.server.start()
    assert alice.client.head(path, headers=TUS).headers["upload-offset"] == "0"
    append(alice, path, 0, data)
    answer = post_files(alice, 1, [int(path.rpartition("/")[2])])
    assert alice.get(paths_in(answer.text)[0]).content == data
    with tables_of(database_url) as tables:
        assert tables.value("SELECT count(*) FROM stray_objects") == 1
        tables.execute("UPDATE stray_objects SET due_at = now()")
    until_stored(alice.server, 1)


@pytest.mark.anyio
async def test_many_requests_that_complete_an_upload_join_its_pieces_once(alice: Person, tmp_path: Path) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"abc"

    me = Visitor(UserId(alice.id), "Alice", email="", is_administrator=True, session_id=SessionId(1))
    engine, store = create_engine(alice.server.database_url), Folder(tmp_path / "files")
    uploading = Uploading(engine, store, LIMITS)
    begun = await uploading.begin(me, RoomId(1), Announced(uuid4(), "film.bin", 6))
    half = await uploading.append(me, begun, 0, content())
    await store.put(second := uuid4(), content())
    async with engine.begin() as connection:
        whole = await add_piece(connection, half, second, 3)
    assert whole is not None
    finished = await asyncio.gather(*[uploading.finish(me, whole) for _ in range(8)])
    assert all(upload.is_finished for upload in finished)
    assert len([path for path in store._path.rglob("*") if path.is_file()]) == 3, "two pieces, and the file"
    assert uploading.uploads == 1
    await engine.dispose()


@pytest.mark.anyio
async def test_people_who_begin_uploads_together_do_not_pass_the_limit_of_storage(alice: Person, bob: Person) -> None:
    limits = replace(LIMITS, most_stored=100)
    people = [
        Visitor(UserId(each.id), "", email="", is_administrator=False, session_id=SessionId(1)) for each in (alice, bob)
    ]
    engine = create_engine(alice.server.database_url)

    async def begin_another() -> None:
        async with engine.begin() as connection:
            await begin_upload(connection, people[1], RoomId(1), Announced(uuid4(), "b.bin", 60), limits)

    async with engine.begin() as connection:
        await begin_upload(connection, people[0], RoomId(1), Announced(uuid4(), "a.bin", 60), limits)
        another = asyncio.create_task(begin_another())
        await asyncio.wait({another}, timeout=1)
    with pytest.raises(InvalidInput) as refused:
        await another
    assert "There is no space left for files" in refused.value.errors["files"]
    await engine.dispose()


def test_a_client_of_another_version_learns_which_one_the_chat_speaks(alice: Person) -> None:
    answer = alice.client.post("/rooms/1/uploads", headers={"Upload-Length": "1"})
    assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
    described = alice.client.options("/rooms/1/uploads").headers
    assert described["tus-version"] == "1.0.0"
    assert described["tus-extension"] == "creation,termination"
    assert described["tus-max-size"] == str(100 * 2**20)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "9" * 30}, 400),
        ({"Upload-Length": "1", "Upload-Metadata": "filename %%%"}, 400),
        ({"Upload-Length": "1", "Upload-Metadata": "id YWJj"}, 400),
        ({"Upload-Length": "200000000"}, 422),
    ],
)
def test_a_wrong_announcement_is_refused(alice: Person, headers: dict[str, str], status: int) -> None:
    assert alice.client.post("/rooms/1/uploads", headers={**TUS, **headers}).status_code == status


def test_more_content_than_announced_is_refused(alice: Person) -> None:
    path = begin(alice, 1, "a.txt", 3).headers["location"]
    assert append(alice, path, 0, b"abcd").status_code == 422
    assert append(alice, path, 0, b"abc").status_code == 204
    typed = alice.client.patch(path, headers={**TUS, "Upload-Offset": "3", "Content-Type": "text/plain"})
    assert typed.status_code == 415


def test_without_javascript_a_form_sends_a_message_with_files(alice: Person, bob: Person) -> None:
    data = os.urandom(400_000)
    files = [("file", ('päper "1".txt', b"one", "text/html")), ("file", ("big.bin", data, "image/png"))]
    fields = {"body": "two files", "client_id": str(uuid4())}
    for _ in range(2):
        answer = alice.client.post("/rooms/1/messages", data=fields, files=files)
        assert answer.status_code == 303, answer.text
    page = bob.get("/rooms/1").text
    assert bodies(page) == ["two files"]
    first, second = paths_in(page)
    assert "päper" in page
    assert bob.get(first).content == b"one"
    assert bob.get(second).content == data


def test_a_refused_file_keeps_the_text_and_the_other_files(
    start_server: Callable[..., ChatServer], alice: Person
) -> None:
    alice.server.stop()
    alice.server._environment["MAX_FILE_SIZE"] = "1"
    alice.server.start()
    files = [("file", ("fine.txt", b"fine")), ("file", ("huge.bin", bytes(2**20 + 1))), ("file", ("", b""))]
    fields = {"body": "look at this", "client_id": str(uuid4())}
    answer = alice.client.post("/rooms/1/messages", data=fields, files=files)
    assert answer.status_code == 422
    assert "“huge.bin” is too large. A file may have 1 MB." in answer.text
    assert ">look at this</textarea>" in answer.text
    number = int(answer.text.partition('name="upload" value="')[2].partition('"')[0])
    again = alice.submit("/rooms/1/messages", {**fields, "upload": str(number)})
    assert again.status_code == 303
    assert alice.reads(1) == ["look at this"]
    assert alice.get(paths_in(alice.get("/rooms/1").text)[0]).content == b"fine"


def test_the_log_says_why_a_forms_file_could_not_be_stored(alice: Person) -> None:
    alice.server.files.write_text("not a folder")
    fields = {"body": "look", "client_id": str(uuid4())}
    answer = alice.client.post("/rooms/1/messages", data=fields, files=[("file", ("a.txt", b"a"))])
    assert answer.status_code == 422
    assert "The store of the chat's files does not answer." in answer.text.replace("&#39;", "'")
    alice.server.until_logged("The store of files: ")


def begun_form(person: Person, room_id: int, files: int) -> socket.socket:
    """Send the beginning of a large form with files of 70 kB."""
    head = {
        "Host": f"127.0.0.1:{person.server.port}",
        "Origin": person.server.url,
        "Cookie": "; ".join(f"{name}={value}" for name, value in person.client.cookies.items()),
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(50 * 2**20),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + bytes(70_000) + b"\r\n"
    connection = socket.create_connection(("127.0.0.1", person.server.port), timeout=20)
    connection.sendall(f"POST /rooms/{room_id}/messages HTTP/1.1\r\n{lines}\r\n".encode() + part * files)
    return connection


def test_files_in_a_form_to_a_room_of_others_are_not_even_received(alice: Person, bob: Person) -> None:
    room_id = alice.create_room("Board", "closed")
    with begun_form(bob, room_id, 3) as connection:
        assert b" 404 " in connection.recv(65536).partition(b"\r\n")[0]


def test_slow_forms_of_a_person_hold_the_files_of_one_message(alice: Person, bob: Person) -> None:
    alice.get("/")
    assert alice.server.process is not None
    process = psutil.Process(alice.server.process.pid)
    before = process.num_fds()
    with begun_form(bob, 1, 90):
        until(lambda: process.num_fds() >= before + 21)
        with begun_form(bob, 1, 5):
            for _ in range(20):
                alice.get("/")
            assert process.num_fds() <= before + 23, "20 files, and three connections"
    until(lambda: process.num_fds() <= before + 2)


def test_of_too_many_files_in_a_form_the_first_are_kept(alice: Person) -> None:
    fields = {"body": "look", "client_id": str(uuid4())}
    answer = alice.client.post("/rooms/1/messages", data=fields, files=[("file", ("a.txt", b"a"))] * 22)
    assert answer.status_code == 422
    assert "A message may have at most 20 files." in answer.text
    assert answer.text.count('name="upload" value="') == 20


def test_a_form_without_a_chosen_file_is_a_message(alice: Person) -> None:
    fields = {"body": "just text", "client_id": str(uuid4())}
    assert alice.client.post("/rooms/1/messages", data=fields, files=[("file", ("", b""))]).status_code == 303
    assert alice.reads(1) == ["just text"]
