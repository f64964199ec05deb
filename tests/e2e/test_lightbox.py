"""The lightbox: pictures over the whole window, by mouse, keyboard and finger."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.e2e.test_files import ready
from tests.support.browsers import PHONE, Options, Windows, wait_until
from tests.support.people import Person
from tests.support.pictures import encoded, plain
from tests.support.settled import settled_chat
from tests.support.uploading import post_files, upload

SIZES = {"wide.png": (1600, 900), "tall.png": (600, 2000), "small.png": (40, 30)}


@pytest.fixture(scope="module")
def album() -> Iterator[Person]:
    """Alice, who has posted three pictures and a text file; the tests change nothing."""
    with settled_chat("alice") as (alice,):
        pictures = [upload(alice, 1, name, encoded(plain(*size), "PNG")) for name, size in SIZES.items()]
        assert post_files(alice, 1, [*pictures, upload(alice, 1, "a.txt", b"a")], "Look").is_success
        yield alice


def lightbox(page: Page) -> Locator:
    return page.locator("#lightbox")


def shows(page: Page, name: str, place: int) -> None:
    """Wait until the lightbox shows a picture, whole and within the window."""
    expect(lightbox(page).get_by_role("status")).to_have_text(f"{name} ({place} of 3)")
    shown = lightbox(page).get_by_role("img", name=name)
    wait_until(lambda: bool(shown.evaluate("image => image.complete && image.naturalWidth > 0")), page)
    fits = "image => { const { left, right, top, bottom } = image.getBoundingClientRect();"
    fits += " return left > -1 && top > -1 && right < innerWidth + 1 && bottom < innerHeight + 1; }"
    wait_until(lambda: bool(shown.evaluate(fits)), page)


def open_wide(page: Page, place: int = 1) -> None:
    ready(page)
    page.get_by_role("link", name="wide.png").click()
    shows(page, "wide.png", place)


def test_the_keyboard_leads_through_the_pictures_and_back_to_the_message(album: Person, windows: Windows) -> None:
    page = windows.open_as(album, "/rooms/1")
    ready(page)
    link = page.get_by_role("link", name="wide.png")
    link.focus()
    page.keyboard.press("Enter")
    shows(page, "wide.png", 1)
    expect(lightbox(page).get_by_role("button", name="Close")).to_be_focused()
    expect(lightbox(page).get_by_role("button", name="Previous picture")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    shows(page, "tall.png", 2)
    page.keyboard.press("ArrowRight")
    shows(page, "small.png", 3)
    expect(lightbox(page).get_by_role("button", name="Next picture")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    shows(page, "tall.png", 2)
    page.keyboard.press("Escape")
    expect(lightbox(page)).to_be_hidden()
    expect(link).to_be_focused()
    expect(page).to_have_url(re.compile(r"/rooms/1(#.*)?$"))


def test_the_back_button_closes_the_lightbox_and_nothing_else(album: Person, windows: Windows) -> None:
    page = windows.open_as(album, "/rooms/1")
    page.fill("#body", "half a sentence")
    open_wide(page)
    lightbox(page).get_by_role("button", name="Next picture").click()
    shows(page, "tall.png", 2)
    page.go_back()
    expect(lightbox(page)).to_be_hidden()
    expect(page.locator("#body")).to_have_value("half a sentence")
    page.go_forward()
    shows(page, "tall.png", 2)
    # Back and forward before the next frame.
    page.evaluate(
        "() => { window.onhashchange = () => { window.onhashchange = null; history.forward(); }; history.back(); }"
    )
    wait_until(lambda: bool(page.evaluate("window.onhashchange === null && location.hash")), page)
    page.wait_for_function("new Promise(requestAnimationFrame)")
    shows(page, "tall.png", 2)
    page.reload()
    ready(page)
    shows(page, "tall.png", 2)
    lightbox(page).get_by_role("button", name="Close").click()
    expect(lightbox(page)).to_be_hidden()
    expect(page.locator("h1")).to_contain_text("Lobby")


def test_a_picture_is_zoomed_where_it_is_clicked_and_dragged(album: Person, windows: Windows) -> None:
    page = windows.open_as(album, "/rooms/1")
    open_wide(page)
    shown = lightbox(page).get_by_role("img", name="wide.png")
    whole = shown.bounding_box()
    assert whole
    page.mouse.click(whole["x"] + whole["width"] * 0.75, whole["y"] + whole["height"] / 2)
    zoomed = shown.bounding_box()
    assert zoomed
    assert zoomed["width"] == pytest.approx(whole["width"] * 2.5, rel=0.01)
    assert zoomed["x"] + zoomed["width"] * 0.75 == pytest.approx(whole["x"] + whole["width"] * 0.75, abs=3)
    expect(lightbox(page).get_by_role("button", name="Zoom")).to_have_attribute("aria-pressed", "true")
    page.mouse.down()
    page.mouse.move(400, 400, steps=3)
    page.mouse.up()
    dragged = shown.bounding_box()
    assert dragged
    assert dragged["x"] < zoomed["x"]
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: (shown.bounding_box() or dragged)["x"] > dragged["x"], page)
    page.keyboard.press("-")
    page.keyboard.press("-")
    page.keyboard.press("-")
    shows(page, "wide.png", 1)
    page.keyboard.press("+")
    expect(lightbox(page).get_by_role("button", name="Zoom")).to_have_attribute("aria-pressed", "true")
    lightbox(page).get_by_role("button", name="Zoom").click()
    shows(page, "wide.png", 1)


def test_a_picture_is_downloaded_under_its_name(album: Person, windows: Windows) -> None:
    page = windows.open_as(album, "/rooms/1")
    open_wide(page)
    page.keyboard.press("ArrowRight")
    shows(page, "tall.png", 2)
    with page.expect_download() as download:
        lightbox(page).get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "tall.png"


@pytest.mark.parametrize("viewport", [PHONE])
def test_a_finger_swipes_from_picture_to_picture(album: Person, windows: Windows, viewport: ViewportSize) -> None:
    options: Options = {"viewport": viewport, "has_touch": True, "is_mobile": True}
    page = windows.open_as(album, "/rooms/1", **options)
    page.get_by_role("link", name="wide.png").tap()
    shows(page, "wide.png", 1)
    finger = page.context.new_cdp_session(page)
    for act, x in (("touchStart", 300), *(("touchMove", x) for x in range(280, 40, -20)), ("touchEnd", None)):
        finger.send("Input.dispatchTouchEvent", {"type": act, "touchPoints": [{"x": x, "y": 400}] if x else []})
    shows(page, "tall.png", 2)
    lightbox(page).get_by_role("img", name="tall.png").tap()
    expect(lightbox(page).get_by_role("button", name="Zoom")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(lightbox(page)).to_be_hidden()


def test_the_page_of_files_has_the_lightbox_and_leads_to_the_message(album: Person, windows: Windows) -> None:
    page = windows.open_as(album, "/rooms/1")
    page.get_by_title("Members").click()
    page.get_by_role("link", name="Files", exact=True).click()
    expect(page.locator("h1")).to_have_text("Files in Lobby")
    page.wait_for_load_state()
    open_wide(page, place=3)
    page.keyboard.press("Escape")
    expect(lightbox(page)).to_be_hidden()
    page.get_by_role("link", name="Alice Adams").first.click()
    expect(page.locator("#m-1")).to_be_in_viewport()
