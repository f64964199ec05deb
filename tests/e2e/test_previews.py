"""Previews of links, on open pages."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browsers import DESKTOP, PHONE, Windows, accessibility_violations, choose, open_menu, send
from tests.support.databases import fresh_database
from tests.support.hostile_pages import HostilePages, hostile_pages
from tests.support.people import Person, first_run, sign_up
from tests.support.server import ForkedServer

SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results" / "screenshots"
ALLOWED = {"LINK_PREVIEWS": "yes", "LINK_PREVIEW_ALLOW": "127.0.0.1/32"}


@pytest.fixture(scope="module")
def pages() -> Iterator[HostilePages]:
    with hostile_pages() as found:
        yield found


@pytest.fixture
def people() -> Iterator[tuple[Person, Person]]:
    """Alice and Bob, in a chat that fetches links of this machine."""
    with fresh_database() as url:
        server = ForkedServer(url, **ALLOWED)
        try:
            server.start()
            yield first_run(server), sign_up(server, "Bob Brown")
        finally:
            server.remove()


def test_a_preview_appears_on_open_pages_and_its_author_removes_it(
    people: tuple[Person, Person], pages: HostilePages, windows: Windows
) -> None:
    alice, bob = people
    hers, his = windows.open_as(alice, "/rooms/1"), windows.open_as(bob, "/rooms/1")
    send(hers, f"look {pages.url}/article")
    for page in (hers, his):
        card = page.locator("#m-1 .preview")
        expect(card).to_contain_text("Lanterns at dusk")
        expect(card.locator("img")).to_have_js_property("complete", True)
        assert card.locator("img").evaluate("image => image.naturalWidth") == 360
        assert page.locator("#m-1").count() == 1
    expect(open_menu(his, 1).get_by_text("Remove preview")).to_have_count(0)
    choose(hers, 1, "Remove preview")
    for page in (hers, his):
        expect(page.locator("#m-1 .preview")).to_have_count(0)
        expect(page.locator("#m-1 .body")).to_contain_text("look")


def test_a_quoted_message_changes_with_its_original(people: tuple[Person, Person], windows: Windows) -> None:
    alice, bob = people
    bob.post(1, "the wifi is lantern")
    hers = windows.open_as(alice, "/rooms/1")
    send(hers, f"{alice.server.url}/rooms/1/messages/1#m-1")
    quoted = hers.locator("#m-2 .previews a.quoted")
    expect(quoted).to_have_text("Bob Brown the wifi is lantern")
    bob.edit(1, "the wifi is candle")
    expect(quoted).to_have_text("Bob Brown the wifi is candle")
    bob.delete(1)
    expect(quoted).to_have_text("Bob Brown This message was deleted.")


def test_previews_fit_a_desktop_and_a_phone_in_both_themes(
    people: tuple[Person, Person], pages: HostilePages, windows: Windows
) -> None:
    alice, bob = people
    long = "Anextraordinarilylongtitlewithoutanyspace" * 4
    wide = pages.page(
        "/wide",
        f'<title>{long}</title><meta name="description" content="{"What is said of it goes on and on. " * 20}">',
    )
    hebrew = pages.page("/hebrew", "<title>שלום עולם</title><meta name=description content='תיאור של הדף'>")
    bob.post(1, "The hall is ours on Friday from six.")
    alice.post(1, f"Read this: {pages.url}/article")
    alice.submit("/messages/2/reactions", {"emoji": "👍"})
    bob.post(1, f"{wide} {hebrew} {pages.url}/picture.jpg")
    bob.post(1, "[what I said](/rooms/1/messages/1)")
    alice.post(1, "Good.")
    for scheme in ("light", "dark"):
        for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
            page = windows.open_as(alice, "/rooms/1", viewport=size, color_scheme=scheme)
            expect(page.locator(".preview")).to_have_count(4)
            expect(page.locator("#m-4 a.quoted")).to_be_visible()
            for image in page.locator(".preview img").all():
                expect(image).to_have_js_property("complete", True)
            if "SCREENSHOTS" in os.environ:
                SCREENSHOTS.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=SCREENSHOTS / f"previews-{name}-{scheme}.png")
            assert accessibility_violations(page, only_colours=scheme == "dark") == []
            messages = page.locator("#messages")
            assert messages.evaluate("list => list.scrollWidth <= list.clientWidth")
            boxes = [card.bounding_box() for card in page.locator(".preview").all()]
            assert all(box and box["height"] <= 110 and box["x"] + box["width"] <= size["width"] for box in boxes)
            above, card, below = (
                page.locator(f"#m-2 {each}").bounding_box() for each in (".body", ".preview", ".reactions")
            )
            assert above
            assert card
            assert below
            assert above["y"] + above["height"] <= card["y"]
            assert card["y"] + card["height"] <= below["y"]
