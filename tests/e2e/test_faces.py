"""Choosing a picture, a logo or a colour, with and without scripts, and seeing it change on open pages."""

import re
from functools import partial

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e.test_switching import is_same, same_page, to_room
from tests.files.test_faces import PHOTO, colours_of, send_picture
from tests.support.browsers import ColorScheme, Windows, accessibility_violations, wait_until, wait_until_live
from tests.support.people import Person

FILE: FilePayload = {"name": "me.png", "mimeType": "image/png", "buffer": PHOTO}
# The colour of links.
INK = "getComputedStyle(document.querySelector('#messages a[target]')).color"


def has_ink(page: Page, colour: str) -> bool:
    return bool(page.evaluate(INK) == colour)


def kept(page: Page) -> list[str]:
    """The colours of the face at the top of the profile, as the server keeps it."""
    source = page.locator(".who img").get_attribute("src")
    return colours_of(page.request.get(f"{page.url.partition('/profile')[0]}{source}").body())


def drawn(page: Page, selector: str) -> bool:
    """Whether a picture has loaded."""
    return bool(page.eval_on_selector(selector, "image => image.decode().then(() => image.naturalWidth > 0)"))


def test_a_face_is_cropped_with_the_pointer_or_the_keyboard(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/profile")
    page.set_input_files("#picture-file", FILE)
    frame, side = page.locator(".frame"), page.locator(".cropper [name=side]")
    expect(frame).to_be_visible()
    side.fill("300")
    box = frame.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] - 2000, box["y"] + 20, steps=4)
    page.mouse.up()
    assert page.input_value(".cropper [name=left]") == "0"
    page.click("text=Save picture")
    expect(page.locator("#picture .saved")).to_be_in_viewport()
    assert kept(page) == ["red", "red"]
    red = str(page.locator(".who img").get_attribute("src"))
    page.set_input_files("#picture-file", FILE)
    side.fill("300")
    page.focus(".cropper [name=left]")
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    expect(frame).not_to_have_css("outline-style", "none")
    page.click("text=Save picture")
    # The first answer is on the page until the second has come.
    expect(page.locator(".who img")).not_to_have_attribute("src", red)
    assert kept(page) == ["blue", "blue"]
    page.set_input_files("#picture-file", {**FILE, "buffer": b"no picture"})
    expect(frame).to_be_hidden()


def test_without_scripts_the_middle_is_taken_and_a_mistake_stands_beside_the_field(
    alice: Person, windows: Windows
) -> None:
    page = windows.open_as(alice, "/profile", java_script_enabled=False, expected=("422",))
    page.set_input_files("#picture-file", FILE)
    page.click("text=Save picture")
    assert kept(page) == ["red", "blue"]
    page.set_input_files("#picture-file", {**FILE, "buffer": b"no picture"})
    page.click("text=Save picture")
    expect(page.locator("#picture-file-help")).to_contain_text("This picture cannot be read.")
    page.click("text=Remove the picture")
    expect(page.locator(".who img")).to_have_count(0)


def test_a_new_face_shows_on_the_open_pages_of_others(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "hello")
    garden = alice.create_room("Garden")
    bob.join(garden)
    alice.post(garden, "roses")
    direct = alice.open_direct(bob)
    alice.post(direct, "hello")
    # A new connection brings the changes of the last seconds again, and a slow page may ask for a face that is gone.
    page = windows.open_as(bob, f"/rooms/{garden}", expected=("404",))
    same_page(page)
    to_room(page, "Lobby")
    places = ["#m-1 .avatar", f"#sidebar [data-room='{direct}'] .avatar"]
    for number in (1, 2):
        send_picture(alice)
        for place in places:
            expect(page.locator(f"{place} > img")).to_have_count(1)
            assert drawn(page, f"{place} > img")
            expect(page.locator(place)).to_have_text("AA")
        if number == 1:
            former = page.locator(f"{places[0]} > img").get_attribute("src")
    expect(page.locator(f"{places[0]} > img")).not_to_have_attribute("src", str(former))
    face = page.locator(".message .avatar > img")
    src = str(face.get_attribute("src"))
    to_room(page, "Garden")
    expect(face).to_have_attribute("src", src)
    page.go_back()
    expect(page.locator("h1")).to_contain_text("Lobby")
    expect(face).to_have_attribute("src", src)
    assert is_same(page), "the rooms that the page keeps to go back to have the new face, too"
    page.goto(f"{alice.server.url}/people/{alice.id}")
    wait_until_live(page)
    assert drawn(page, ".welcome .avatar > img")
    send_picture(alice)
    expect(page.locator(".welcome .avatar > img")).to_have_attribute("src", re.compile("/256$"))
    page.go_back()
    expect(face).to_have_attribute("src", re.compile("/96$"))
    expect(face).not_to_have_attribute("src", src)
    alice.submit("/profile/face/remove")
    expect(page.locator(".avatar > img")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_another_colour_and_logo_show_on_open_pages_and_stay_readable(
    alice: Person, bob: Person, windows: Windows, theme: ColorScheme
) -> None:
    bob.post(1, "hello @Alice Adams: https://example.org")
    page = windows.open_as(alice, "/rooms/1", color_scheme=theme)
    for accent, shown in (("#000000", {"light": "rgb(0, 0, 0)"}), ("#ffd400", {"dark": "rgb(255, 212, 0)"})):
        alice.submit("/admin/accent", {"accent": accent})
        if theme in shown:
            wait_until(partial(has_ink, page, shown[theme]), page, within=20)
        assert accessibility_violations(page, only_colours=True) == []
    send_picture(alice, "/admin/logo")
    expect(page.locator(".sidebar-name img.logo")).to_have_count(1)
    page.goto(f"{alice.server.url}/admin")
    assert accessibility_violations(page, only_colours=True) == []
    page.click("text=Use the usual colour")
    expect(page.locator(".saved")).to_be_visible()
    expect(page.locator("text=Use the usual colour")).to_have_count(0)
