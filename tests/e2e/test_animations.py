"""Animated pictures: they stand still when the reader's system asks for reduced motion, until the reader opens them."""

import io
import time
from collections.abc import Iterator
from functools import partial

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e.test_files import chosen, ready
from tests.support.browsers import Windows, wait_until
from tests.support.people import Person
from tests.support.pictures import opened
from tests.support.settled import settled_chat
from tests.support.uploading import post_files, upload

KINDS = {"blinking.gif": "GIF", "blinking.webp": "WEBP", "blinking.png": "PNG"}
STILL_SECONDS = 0.6


def blinking(kind: str) -> bytes:
    """A picture that is red and blue by turns, ten times a second, and red first."""
    red, blue = (Image.new("RGB", (300, 200), colour) for colour in ("#c00000", "#0000c0"))
    output = io.BytesIO()
    red.save(output, kind, save_all=True, append_images=[blue], duration=100, loop=0)
    return output.getvalue()


@pytest.fixture(scope="module")
def cinema() -> Iterator[Person]:
    """Alice, who has posted three animations; the tests change nothing."""
    with settled_chat("alice") as (alice,):
        assert post_files(alice, 1, [upload(alice, 1, name, blinking(kind)) for name, kind in KINDS.items()]).is_success
        yield alice


def is_seen(colour: str, shown: Locator) -> bool:
    """Return whether the middle of a picture has a colour for the reader now."""
    seen = opened(shown.screenshot()).convert("RGB").resize((1, 1), Image.Resampling.NEAREST).tobytes()
    return (seen[0] > seen[2]) == (colour == "red")


def moves(shown: Locator, page: Page) -> None:
    for colour in ("red", "blue"):
        wait_until(partial(is_seen, colour, shown), page)


def stands_still(shown: Locator, page: Page) -> None:
    shown.evaluate("picture => picture.decode()")
    wait_until(partial(is_seen, "red", shown), page)
    began = time.monotonic()
    while time.monotonic() - began < STILL_SECONDS:
        assert is_seen("red", shown), "it moves"


@pytest.mark.parametrize("path", ["/rooms/1", "/rooms/1/files"])
def test_animations_stand_still_for_a_reader_who_asks_for_reduced_motion(
    cinema: Person, windows: Windows, path: str
) -> None:
    moving, still = windows.open_as(cinema, path), windows.open_as(cinema, path, reduced_motion="reduce")
    for name in KINDS:
        moves(moving.get_by_role("img", name=name), moving)
        stands_still(still.get_by_role("img", name=name), still)
    moving.emulate_media(reduced_motion="reduce")
    stands_still(moving.get_by_role("img", name="blinking.gif"), moving)


def test_an_animation_moves_when_its_reader_opens_it(cinema: Person, windows: Windows) -> None:
    page = windows.open_as(cinema, "/rooms/1", reduced_motion="reduce")
    ready(page)
    for name in KINDS:
        page.get_by_role("link", name=f"{name} animated").click()
        moves(page.locator("#lightbox").get_by_role("img", name=name), page)
        page.keyboard.press("Escape")
        expect(page.locator("#lightbox")).to_be_hidden()
        stands_still(page.get_by_role("img", name=name), page)


def test_an_animation_stands_still_before_it_is_sent_too(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", reduced_motion="reduce")
    ready(page)
    page.set_input_files("#files", [chosen("blinking.gif", "image/gif", blinking("GIF"))])
    stands_still(page.locator("#attached img"), page)
