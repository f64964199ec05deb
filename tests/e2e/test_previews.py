"""Previews of links, on open pages."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import (
    DESKTOP,
    PHONE,
    ColorScheme,
    Windows,
    accessibility_violations,
    choose,
    open_menu,
    send,
)
from tests.support.databases import fresh_database
from tests.support.hostile_pages import HostilePages, hostile_pages
from tests.support.people import Person, first_run, sign_up
from tests.support.pictures import encoded, landscape
from tests.support.server import ChatServer, ForkedServer

SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results" / "screenshots"
ALLOWED = {"LINK_PREVIEWS": "yes", "LINK_PREVIEW_ALLOW": "127.0.0.1/32"}
SCHEMES: tuple[ColorScheme, ...] = ("light", "dark")
SIZES = {"desktop": DESKTOP, "phone": PHONE}

# Names that end in `.example` lead to a server of the test, at the port of the web, which only root could use.
INTERNET = """
import socket
import anyio
from chat.__main__ import main

resolve, connect = socket.getaddrinfo, anyio.connect_tcp
socket.getaddrinfo = lambda host, *rest, **named: resolve(
    "127.0.0.1" if str(host).endswith(".example") else host, *rest, **named)
anyio.connect_tcp = lambda remote_host, remote_port, **named: connect(
    remote_host, PORT if remote_port == 80 else remote_port, **named)
main(["serve"])
"""
LANTERNS = """<title>Lanterns at dusk</title><meta property="og:site_name" content="Willow News">
<meta name="description" content="Two hundred children walked along the river on Thursday, each with a lantern of their
own. The fire brigade sold soup."><meta property="og:image" content="/river-at-dusk.jpg">"""
LIBRARY = """<title>Opening hours in the holidays</title><meta property="og:site_name" content="Town library">
<meta name="description" content="From Monday to Thursday the reading room is open from ten to four.">"""


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


@pytest.fixture
def people_of_the_internet(pages: HostilePages, database_url: str) -> Iterator[tuple[Person, Person]]:
    """Alice and Bob, in a chat that reaches pages at names as people know them."""
    pages.page("/lanterns", LANTERNS)
    pages.page("/holidays", LIBRARY)
    pages.page("/river-at-dusk.jpg", encoded(landscape(), "JPEG"), "image/jpeg")
    server = ChatServer(database_url, **ALLOWED)
    server.command = ["-c", INTERNET.replace("PORT", str(urlsplit(pages.url).port))]
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


def look_and_fit(page: Page, *, only_colours: bool) -> None:
    """The cards of the pages are whole and accessible, and stand below their text, within the window."""
    for image in page.locator(".preview img").all():
        expect(image).to_have_js_property("complete", True)
    assert accessibility_violations(page, only_colours=only_colours) == []
    messages = page.locator("#messages")
    assert messages.evaluate("list => list.scrollWidth <= list.clientWidth")
    assert page.viewport_size
    boxes = [card.bounding_box() for card in page.locator(".preview").all()]
    assert all(box and box["height"] <= 95 and box["x"] + box["width"] <= page.viewport_size["width"] for box in boxes)
    above, card, below = (page.locator(f"#m-2 {each}").bounding_box() for each in (".body", ".preview", ".reactions"))
    assert above
    assert card
    assert below
    assert above["y"] + above["height"] <= card["y"]
    assert card["y"] + card["height"] <= below["y"]


def test_previews_of_long_and_of_hebrew_words_fit_a_desktop_and_a_phone(
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
    alice.post(1, f"Read this: {wide}")
    alice.submit("/messages/2/reactions", {"emoji": "👍"})
    bob.post(1, f"{hebrew} {pages.url}/picture.jpg")
    for scheme, size in itertools.product(SCHEMES, SIZES.values()):
        page = windows.open_as(alice, "/rooms/1", viewport=size, color_scheme=scheme)
        expect(page.locator(".preview")).to_have_count(3)
        look_and_fit(page, only_colours=scheme == "dark")


def test_previews_fit_a_desktop_and_a_phone_in_both_themes(
    people_of_the_internet: tuple[Person, Person], windows: Windows
) -> None:
    alice, bob = people_of_the_internet
    alice.post(1, "The hall is ours on Friday from six.")
    alice.post(1, "Read this: http://willow-news.example/lanterns")
    alice.submit("/messages/2/reactions", {"emoji": "👍"})
    bob.post(1, "http://library.example/holidays http://pictures.example/river-at-dusk.jpg")
    bob.post(1, "[and you wrote](/rooms/1/messages/1)")
    alice.submit("/rooms/1/read", {"position": 4})
    for scheme, (name, size) in itertools.product(SCHEMES, SIZES.items()):
        page = windows.open_as(alice, "/rooms/1", viewport=size, color_scheme=scheme)
        expect(page.locator(".preview")).to_have_count(3)
        expect(page.locator("#m-4 a.quoted")).to_be_visible()
        look_and_fit(page, only_colours=scheme == "dark")
        if "SCREENSHOTS" in os.environ:
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"previews-{name}-{scheme}.png")
