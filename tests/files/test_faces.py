"""The pictures of people and rooms: who changes them, who sees them, and what becomes of the former ones."""

import asyncio
import re
import struct
from collections.abc import Mapping

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chat.files.picture_worker import prepare_square
from chat.files.prepared import Crop
from chat.files.squares import box_of, face_of, logo_of
from tests.files.test_pictures import HOSTILE
from tests.files.test_uploads import until_stored
from tests.support.databases import query
from tests.support.live_client import LiveClient
from tests.support.people import Person
from tests.support.pictures import SECRET, encoded, opened, plain

PHOTO = encoded(plain(), "PNG")
KEPT = "private, max-age=31536000, immutable"


def send_picture(
    person: Person, path: str = "/profile/face", data: bytes = PHOTO, fields: Mapping[str, str] | None = None
) -> httpx.Response:
    """Send the form of a picture."""
    return person.client.post(path, data=fields or {}, files={"file": ("me.png", data, "image/png")})


def pictures_in(page: str) -> list[str]:
    """The pictures in markup, each once."""
    return list(dict.fromkeys(re.findall(r'<img src="(/(?:people|rooms|logo)[^"]*)" alt="" loading="lazy">', page)))


def colours_of(data: bytes) -> list[str]:
    """The colours at the left and the right edge of a picture, as their names."""
    picture = opened(data).convert("RGB")
    edges = [picture.crop((x, 10, x + 1, 11)).tobytes() for x in (2, picture.width - 3)]
    return ["red" if edge[0] > edge[2] else "blue" for edge in edges]


def test_a_face_stands_wherever_the_person_does_until_they_remove_it(alice: Person, bob: Person) -> None:
    bob.post(1, "before")
    assert pictures_in(alice.get("/rooms/1").text) == []
    assert send_picture(bob, data=encoded(plain(), "JPEG", orientation=6)).status_code == 303
    bob.post(1, "after @Alice Adams")
    direct = alice.open_direct(bob)
    bob.post(direct, "hello")
    (small,) = pictures_in(alice.get("/rooms/1").text)
    assert re.fullmatch(rf"/people/{bob.id}/faces/[0-9a-f]{{12}}/96", small)
    for _ in ("read", "from the cache"):
        assert alice.get("/rooms/1").text.count(small) >= 3, "at both messages, and in the sidebar"
    for path in ("/people", "/rooms/1/members", "/mentions", f"/people/{bob.id}/card", "/direct/new", "/switch?q=bob"):
        assert small in alice.get(path).text, path
    large = small.replace("/96", "/256")
    assert large in alice.get(f"/people/{bob.id}").text
    assert large in bob.get("/profile").text
    for path, side in ((small, 96), (large, 256)):
        answer = alice.get(path)
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/webp", KEPT)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
        assert SECRET.encode() not in answer.content
        assert opened(answer.content).size == (side, side)
    assert bob.submit("/profile/face/remove").status_code == 303
    assert pictures_in(alice.get("/rooms/1").text + bob.get("/profile").text) == []
    assert alice.get(small).status_code == 404


def test_a_replaced_face_is_deleted_from_the_store(alice: Person) -> None:
    for _ in range(2):
        send_picture(alice)
    until_stored(alice.server, 2)
    paths = pictures_in(alice.get("/rooms/1").text)
    assert [alice.get(path).status_code for path in paths] == [200]
    # A row that is deleted takes its picture along.
    room = alice.create_room("Garden")
    assert send_picture(alice, f"/rooms/{room}/face").status_code == 303
    until_stored(alice.server, 4)
    alice.submit(f"/rooms/{room}/delete", {"name": "Garden"})
    alice.submit("/profile/face/remove")
    until_stored(alice.server, 0)
    assert query(alice.server.database_url, "SELECT count(*) FROM stray_objects")[0][0] == 0


def test_a_form_chooses_the_square_and_the_middle_is_taken_without_a_choice(alice: Person) -> None:
    for fields, expected in (
        ({}, ["red", "blue"]),
        ({"left": "0", "top": "0", "side": "400.25"}, ["red", "red"]),
        ({"left": "500.5", "top": "0", "side": "400"}, ["blue", "blue"]),
        ({"left": "999999", "top": "999999", "side": "300"}, ["blue", "blue"]),
        ({"left": "-1", "top": "nan", "side": "1e9"}, ["red", "blue"]),
    ):
        assert send_picture(alice, fields=fields).status_code == 303
        path = pictures_in(alice.get("/profile").text)[0]
        assert colours_of(alice.get(path).content) == expected, fields


@pytest.mark.parametrize("data", [*HOSTILE.values(), b"", b"<svg/>", b"%PDF-1.7", bytes(10)])
def test_a_file_that_is_no_picture_is_refused_as_a_face(data: bytes) -> None:
    with pytest.raises((OSError, ValueError, KeyError, SyntaxError, struct.error, Image.DecompressionBombError)):
        prepare_square(data, "face", [])


def test_a_damaged_a_large_and_no_picture_are_refused_beside_the_field(alice: Person, bob: Person) -> None:
    send_picture(alice)
    for data, why in (
        (HOSTILE["claims 65,535 pixels a side"], "This picture cannot be read"),
        (b"<svg/>", "This picture cannot be read"),
        (bytes(10 * 2**20 + 1), "This picture is too large. It may have 10 MB."),
    ):
        answer = send_picture(alice, data=data)
        assert answer.status_code == 422
        assert re.search(rf'id="picture-file-help" class="field-error" role="alert">{why}', answer.text)
        assert len(pictures_in(answer.text)) == 2, "the former one stays"
    assert "Choose a picture." in alice.submit("/profile/face").text
    assert send_picture(alice, data=bytes(12 * 2**20)).status_code == 413
    assert "Choose a picture." in alice.submit("/rooms/1/face").text
    assert send_picture(alice, "/profile/name", data=PHOTO).status_code == 400, "other forms take no files"
    # A face needs a session.
    (path, _) = pictures_in(alice.get("/profile").text)
    assert httpx.get(f"{alice.server.url}{path}").status_code == 303
    assert bob.get(path).status_code == 200
    assert bob.get(path.replace("/96", "/97").replace("/256", "/97")).status_code == 404


def test_members_of_a_group_and_managers_of_a_room_choose_its_picture(
    alice: Person, bob: Person, carol: Person
) -> None:
    group, pair = alice.open_direct(bob, carol), alice.open_direct(bob)
    alice.post(group, "hello")
    assert send_picture(bob, f"/rooms/{group}/face").status_code == 303
    assert send_picture(bob, f"/rooms/{pair}/face").status_code == 403
    assert send_picture(bob, "/rooms/1/face").status_code == 403
    assert bob.submit("/rooms/1/face/remove").status_code == 403
    (path,) = pictures_in(carol.get("/rooms/1").text)
    assert path.startswith(f"/rooms/{group}/faces/"), "it stands in the sidebar"
    page = carol.get(f"/rooms/{group}").text
    assert page.count(path) == 3, "in the sidebar, the header, and where the group begins"
    assert carol.get(path).headers["cache-control"] == KEPT
    assert path.replace("/96", "/256") in carol.get(f"/rooms/{group}/settings").text
    carol.submit(f"/rooms/{group}/leave")
    assert carol.get(path).status_code == 404
    assert send_picture(alice, "/rooms/1/face").status_code == 303
    for page in ("/rooms", "/rooms/1", "/switch?q=lobby"):
        assert "/rooms/1/faces/" in carol.get(page).text, page
    assert alice.submit("/rooms/1/face/remove").status_code == 303
    assert "/rooms/1/faces/" not in carol.get("/rooms").text


@pytest.mark.anyio
async def test_a_new_face_shows_on_open_pages_and_a_rooms_picture_in_sidebars(alice: Person, bob: Person) -> None:
    async with LiveClient(bob, 1) as page:
        await asyncio.to_thread(send_picture, alice)
        await page.until(lambda: f'<chat-face data-person="{alice.id}" data-src="/people/' in "".join(page.frames))
        await asyncio.to_thread(send_picture, alice, "/rooms/1/face")
        await page.until(lambda: "<chat-sidebar>" in "".join(page.frames))


SIDES = st.integers(1, 5000)


@given(st.tuples(SIDES, SIDES), st.none() | st.builds(Crop, *[st.integers(0, 10**6)] * 3))
def test_a_crop_is_always_a_square_within_the_picture(size: tuple[int, int], crop: Crop | None) -> None:
    left, top, right, bottom = box_of(size, crop)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert right - left == bottom - top
    if crop is not None and crop.left + crop.side <= size[0] and crop.top + crop.side <= size[1] and crop.side:
        assert (left, top, right - left) == tuple(crop)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1"])
def test_a_face_is_opaque_and_a_logo_keeps_its_transparency(mode: str) -> None:
    picture = Image.new("RGBA", (300, 100), (200, 0, 0, 0)).convert(mode)
    picture.info["icc_profile"] = b"damaged"
    for made, has_alpha in ((face_of(picture, None), False), (logo_of(picture), True)):
        assert [opened(data).size for data in made] == [(96, 96), (256, 256)]
        assert [opened(data).has_transparency_data for data in made] == [has_alpha] * 2
        assert [data for data in made if b"ICCP" in data] == []
