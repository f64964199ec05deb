"""A room's page of its files, and the storage that administrators see."""

import re

from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.tables import tables_of
from tests.support.uploading import paths_in, send_file, upload


def test_members_see_a_rooms_files_by_month_and_kind(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room("Board", "closed")
    alice.submit(f"/rooms/{room_id}/members", {"person": str(bob.id)})
    text = send_file(alice, "plan.txt", b"the plan", room_id=room_id)
    with tables_of(alice.server.database_url) as tables:
        tables.execute("UPDATE messages SET created_at = '2026-01-15'")
    picture = send_file(alice, "cat.png", encoded(plain(20, 20), "PNG"), room_id=room_id)
    sound = send_file(alice, "song.mp3", b"ID3" + bytes(100), room_id=room_id)
    upload(alice, room_id, "not sent.txt", b"not sent")
    page = bob.get(f"/rooms/{room_id}/files").text
    assert paths_in(page) == [sound, picture, text]
    assert re.findall(r"<h2>(.*?)</h2>", page)[-1] == "January 2026"
    for kind, path in (("picture", picture), ("media", sound), ("other", text)):
        assert paths_in(bob.get(f"/rooms/{room_id}/files?kind={kind}").text) == [path]
    number = int(picture.split("/")[2])
    assert paths_in(bob.get(f"/rooms/{room_id}/files?before={number}").text) == [text]
    assert f'href="/rooms/{room_id}/files"' in bob.get(f"/rooms/{room_id}/members").text
    assert carol.get(f"/rooms/{room_id}/files").status_code == 404
    alice.delete(1)
    assert paths_in(bob.get(f"/rooms/{room_id}/files").text) == [sound, picture]


def test_administrators_see_what_takes_most_space(alice: Person, bob: Person) -> None:
    assert "There are no files yet." in alice.get("/admin").text
    send_file(bob, "large.bin", bytes(3 * 2**20))
    send_file(alice, "small.bin", bytes(1024), room_id=alice.open_direct(bob))
    for _ in range(2):
        send_file(alice, "staff.bin", bytes(2048), room_id=alice.create_room("Staff", "closed"))
    page = alice.get("/admin").text
    storage = re.findall(r"<li>([^<]* in \d+ files?)</li>", page)
    assert storage == [
        "Lobby: 3 MB in 1 file",
        "Staff: 2 kB in 1 file",
        "Staff: 2 kB in 1 file",
        "Direct conversations: 1 kB in 1 file",
        "Bob Brown: 3 MB in 1 file",
        "Alice Adams: 5 kB in 3 files",
    ]
