"""Pictures: their types, sizes and metadata, and hostile ones."""

import io
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator
from uuid import UUID, uuid4

import pytest
from PIL import Image

from chat.files import pictures
from chat.files.metadata import without_metadata
from chat.files.pictures import Picture, Pictures
from tests.support.people import Person
from tests.support.pictures import SECRET, claiming, encoded, opened, plain
from tests.support.server import ROOT
from tests.support.uploading import send_file

KINDS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


async def prepared(data: bytes) -> tuple[Picture | None, list[bytes]]:
    """Prepare a picture as an upload does; returns it with its parts."""
    stored: dict[UUID, bytes] = {}

    async def put(part: AsyncIterable[bytes]) -> UUID:
        key = uuid4()
        stored[key] = b"".join([chunk async for chunk in part])
        return key

    async def content() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 50_000):
            yield data[start : start + 50_000]

    picture = await Pictures().prepared(content(), put)
    return picture, [stored[key] for key in picture.objects] if picture else []


def test_a_photo_of_a_phone_is_shown_upright_in_a_known_size_without_its_place(alice: Person, bob: Person) -> None:
    photo = encoded(plain(1200, 800), "JPEG", orientation=6, quality=90)
    assert SECRET.encode() in photo
    path = send_file(alice, "photo.jpg", photo, "look")
    page = bob.get("/rooms/1").text
    (image,) = re.findall(r'<img src="/files[^>]*>', page)
    assert 'width="240" height="360"' in image
    assert 'alt="photo.jpg"' in image
    assert 'data-width="800" data-height="1200"' in page
    assert re.search(r'<path fill="#[0-9a-f]{6}"', page)
    whole = bob.get(path)
    assert whole.headers["content-type"] == "image/jpeg"
    assert SECRET.encode() not in whole.content
    assert opened(whole.content).size == (800, 1200)
    assert opened(whole.content).info["icc_profile"]
    small, sharp = re.findall(r'src(?:set)?="(/files/\d+/thumbnails/\d)', image)
    assert opened(bob.get(small).content).size == (240, 360)
    assert opened(bob.get(sharp).content).size == (480, 720)
    assert bob.get(small).headers["content-type"] == "image/webp"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.anyio
async def test_a_picture_loses_its_metadata_and_nothing_else(kind: str) -> None:
    data = encoded(plain(), KINDS[kind], **({"lossless": True} if kind == "image/webp" else {}))
    picture, (kept, *thumbnails) = await prepared(data + b"<script>alert(1)</script>")
    assert picture is not None
    assert (picture.kind, picture.width, picture.height) == (kind, 900, 600)
    for part in (kept, *thumbnails):
        assert SECRET.encode() not in part
        assert b"<script>" not in part
        assert opened(part).info["icc_profile"] == opened(data).info["icc_profile"]
    assert opened(kept).convert("RGB").tobytes() == opened(data).convert("RGB").tobytes()
    assert [opened(each).size for each in thumbnails] == [(360, 240), (720, 480)]


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.anyio
async def test_a_picture_that_not_every_browser_shows_becomes_a_jpeg(kind: str) -> None:
    if kind == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    picture, (kept, *_) = await prepared(encoded(plain(300, 200), kind))
    assert picture is not None
    assert picture.kind == "image/jpeg"
    assert opened(kept).size == (300, 200)
    assert SECRET.encode() not in kept


def test_a_photo_in_heic_is_named_for_what_it_has_become(alice: Person) -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    path = send_file(alice, "IMG 1.HEIC", encoded(plain(64, 64), "HEIF"))
    assert path.endswith("/IMG%201.jpg")
    assert alice.get(path).headers["content-type"] == "image/jpeg"


@pytest.mark.anyio
async def test_a_small_picture_needs_no_thumbnails() -> None:
    picture, parts = await prepared(encoded(plain(30, 20), "PNG"))
    assert picture is not None
    assert len(parts) == 1


def test_a_moving_picture_stands_still_for_readers_who_want_that(alice: Person) -> None:
    output = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "green")]
    frames[0].save(output, "GIF", save_all=True, append_images=frames[1:])
    path = send_file(alice, "dance.gif", output.getvalue())
    page = alice.get("/rooms/1").text
    assert f'<img src="{path}"' in page
    assert re.search(r'<source media="\(prefers-reduced-motion: reduce\)" srcset="/files/\d+/thumbnails/1, ', page)
    assert getattr(opened(alice.get(path).content), "n_frames", 1) == 3


WHOLE = encoded(plain(), "JPEG")
HOSTILE = {
    "claims 65,535 pixels a side": claiming(65_535, 65_535),
    "claims a side too long": claiming(40_000, 1),
    "has more pixels than its data": claiming(8_000, 7_000),
    "is cut off": WHOLE[: len(WHOLE) // 2],
    "has only a beginning": WHOLE[:4],
    "is another type inside": b"\xff\xd8\xff" + bytes(5000),
    "is a PNG of nothing": b"\x89PNG\r\n\x1a\n",
    "is a WebP of nothing": b"RIFF\xff\xff\xff\xffWEBPVP8X",
    "is a GIF of nothing": b"GIF89a\xff\xff\xff\xff",
    "is an AVIF of nothing": b"\0\0\0\x1cftypavif" + bytes(16),
    "is a HEIC of nothing": b"\0\0\0\x1cftypheic" + bytes(16),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.anyio
async def test_a_picture_that_cannot_be_shown_is_no_picture(name: str) -> None:
    assert await prepared(HOSTILE[name]) == (None, [])


def test_a_damaged_picture_is_a_file_like_any_other(alice: Person) -> None:
    path = send_file(alice, "bomb.png", HOSTILE["claims 65,535 pixels a side"])
    page = alice.get("/rooms/1").text
    assert "<img" not in page.partition('class="files"')[2].partition("</ul>")[0]
    assert "bomb.png" in page
    assert alice.get(path).content == HOSTILE["claims 65,535 pixels a side"]


def test_a_photo_of_many_fill_bytes_takes_no_time() -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="no end"):
        without_metadata(WHOLE[:-2] + b"\xff" * 100_000 + b"\0", "image/jpeg")
    assert time.process_time() - began < 0.5
    photo = WHOLE[:-2] + b"\xff" * 1000 + WHOLE[-2:]
    assert opened(without_metadata(photo, "image/jpeg")).tobytes() == opened(WHOLE).tobytes()


@pytest.mark.parametrize(("megabytes", "is_prepared"), [(1024, True), (64, False)])
def test_a_picture_has_no_more_memory_than_its_limit(megabytes: int, is_prepared: bool) -> None:
    limited = f"from chat.files import picture_worker as w; w.MOST_MEMORY = {megabytes} * 2**20; w.main()"
    data = encoded(plain(5000, 6000), "PNG")
    done = subprocess.run([sys.executable, "-c", limited], input=data, capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode == 0) is is_prepared, done.stderr
    assert is_prepared or b"MemoryError" in done.stderr


@pytest.mark.anyio
async def test_a_picture_that_takes_too_long_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "SECONDS", 0.01)
    assert await prepared(WHOLE) == (None, [])
