"""The logo and the colour that an administrator chooses."""

import asyncio
import io
import re

import httpx
import pytest
from PIL import Image

from tests.files.test_faces import pictures_in, send_picture
from tests.files.test_uploads import until_stored
from tests.support.live_client import LiveClient
from tests.support.people import Person, browser
from tests.support.pictures import opened


def transparent() -> bytes:
    """A wide picture with nothing in its left half."""
    picture, output = Image.new("RGBA", (200, 100)), io.BytesIO()
    picture.paste((0, 90, 160, 255), (100, 0, 200, 100))
    picture.save(output, "PNG")
    return output.getvalue()


def logos_in(page: httpx.Response) -> list[str]:
    return re.findall(r'<img class="logo" src="(/logo/[0-9a-f]{12}/\d+)"', page.text)


def test_the_logo_stands_in_the_sidebar_and_on_the_sign_in_page(alice: Person, bob: Person) -> None:
    assert '<svg class="logo"' in bob.get("/list").text
    assert send_picture(bob, "/admin/logo", transparent()).status_code == 404
    assert send_picture(alice, "/admin/logo", b"<svg xmlns='http://www.w3.org/2000/svg'/>").status_code == 422
    assert send_picture(alice, "/admin/logo", transparent()).headers["location"] == "/admin?saved=look"
    stranger = browser(alice.server)
    (small,) = logos_in(stranger.get("/sign-in"))
    assert logos_in(bob.get("/list")) == [small, small.replace("/96", "/256")]
    for path, side in ((small, 96), (small.replace("/96", "/256"), 256)):
        answer = stranger.get(path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        picture = opened(answer.content)
        assert (picture.size, picture.has_transparency_data) == ((side, side), True)
    assert pictures_in(bob.get("/rooms/1").text) == []
    until_stored(alice.server, 2)
    assert alice.submit("/admin/logo/remove").status_code == 303
    assert '<svg class="logo"' in stranger.get("/sign-in").text
    until_stored(alice.server, 0)


def test_the_colour_is_in_every_persons_style_and_on_the_pages_before(alice: Person, bob: Person) -> None:
    stranger = browser(alice.server)
    assert "--accent:" not in bob.get("/me.css").text
    assert "/accent.css" not in stranger.get("/sign-in").text
    assert bob.submit("/admin/accent", {"accent": "#336699"}).status_code == 404
    for typed in ("red", "#33669", "}body{display:none}"):
        answer = alice.submit("/admin/accent", {"accent": typed})
        assert answer.status_code == 422
        assert 'class="field-error">Choose a colour such as #336699.' in answer.text
    assert alice.submit("/admin/accent", {"accent": "#336699"}).status_code == 303
    style = "--accent: light-dark(#336699, #6196cc);"
    for client, page in ((bob.client, "/list"), (stranger, "/sign-in")):
        (path,) = re.findall(r'href="(/(?:me|accent)\.css\?[^"]*c=336699)"', client.get(page).text)
        answer = client.get(path.replace("&amp;", "&"))
        assert style in answer.text
        assert answer.headers["content-type"].startswith("text/css")
    assert 'value="#336699"' in alice.get("/admin").text
    assert alice.submit("/admin/accent", {"accent": ""}).status_code == 303
    assert style not in bob.get("/me.css").text
    assert stranger.get("/accent.css").text == ""


@pytest.mark.anyio
async def test_open_pages_hear_of_another_logo_and_colour(alice: Person, bob: Person) -> None:
    async with LiveClient(bob, 1) as page:
        await asyncio.to_thread(alice.submit, "/admin/accent", {"accent": "#336699"})
        await page.until(lambda: '<chat-look data-accent="336699">' in "".join(page.frames))
        seen = len(page.frames)
        await asyncio.to_thread(send_picture, alice, "/admin/logo")
        await page.until(lambda: '<chat-look data-accent="336699">' in "".join(page.frames[seen:]))
