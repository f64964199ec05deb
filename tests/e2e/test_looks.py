"""The look of every page, in both themes and at every width."""

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_files import ready
from tests.files.test_faces import send_picture
from tests.support.browsers import (
    DESKTOP,
    LOST_SERVER,
    PHONE,
    TABLET,
    ColorScheme,
    Windows,
    accessibility_violations,
    post_by_forms,
    send,
    unsent,
    wait_until_live,
)
from tests.support.people import Person, first_run, sign_up
from tests.support.pictures import encoded, landscape, plain
from tests.support.server import SETUP_CODE, ChatServer
from tests.support.settled import settled_chat
from tests.support.uploading import post_files, upload

SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results" / "screenshots"
THEMES: tuple[ColorScheme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def school() -> Iterator[list[Person]]:
    """The people of a chat in use: four members, several rooms, a direct room, names that stretch the layout."""
    with settled_chat("alice", "bob", "carol") as people:
        fill(*people)
        yield people


def fill(alice: Person, bob: Person, carol: Person) -> None:
    """Let the people use their chat, with rooms, messages and invitations of every kind."""
    sign_up(alice.server, "Maximiliana Constantinopolitanischerdudelsackpfeifer")
    garden = alice.create_room("Garden club")
    alice.create_room("Board", "closed")
    alice.create_room("A room with a name so long that it has to be cut off somewhere")
    bob.join(garden)
    alice.post(1, "Good morning everybody! The hall is ours on Friday from six.")
    bob.post(1, "I can bring the projector.\nAnd two extension cords, the long ones.")
    bob.post(1, "Who has the key?")
    carol.post(1, "I do. The plan is at https://example.org/plans/friday-evening_(final).")
    hall = encoded(landscape(), "JPEG")
    stage = encoded(landscape(600, 800, "#5b7fb5", "#1f2f4f"), "JPEG")
    contents = {"hall.jpg": hall, "stage.jpg": stage, "seats.pdf": b"%PDF-1.7"}
    sent = [upload(carol, 1, name, content) for name, content in contents.items()]
    assert post_files(carol, 1, sent, "This is how it looks").is_success
    alice.post(1, "Perfect. See you all there!")
    for person, sky, hill in ((bob, "#e86a5c", "#6b2737"), (carol, "#8fbf88", "#28502e")):
        assert send_picture(person, data=encoded(landscape(400, 400, sky, hill), "PNG")).status_code == 303
    bob.post(garden, "x" * 300)
    alice.post(garden, "What is that?")
    direct = alice.open_direct(carol)
    alice.post(direct, "Could you open the hall half an hour early?")
    carol.post(direct, "Of course. I am there from five anyway.")
    alice.open_direct(bob, carol)
    described = {
        "topic": "Tomatoes, roses and what eats them",
        "description": "For all with green thumbs.\nOr brown ones.",
    }
    alice.submit(f"/rooms/{garden}/settings", described)
    alice.submit("/messages/1/pin", {"pinned": "yes"})
    alice.submit(f"/rooms/{garden}/invite", {"days": "7"})
    alice.submit("/rooms/4/invite", {"days": "", "uses": ""})
    alice.submit("/admin/invite")
    over, slow, told = (bob.create_room(name) for name in ("Summer party", "Debate", "Announcements"))
    for room_id in (over, slow, told):
        alice.join(room_id)
        carol.join(room_id)
    bob.post(over, "That was great!")
    bob.submit(f"/rooms/{over}/archive")
    bob.submit(f"/rooms/{slow}/settings", {"slow_seconds": "30"})
    bob.submit(f"/rooms/{told}/settings", {"posting": "managers"})


PAGES = {
    "room": "/rooms/1",
    "home": "/list",
    "stretched": "/rooms/2",
    "browse": "/rooms",
    "browse-none": "/rooms?q=zzz",
    "new-room": "/rooms/new",
    "people": "/people",
    "person": "/people/2",
    "new-direct": "/direct/new",
    "direct": "/rooms/5",
    "empty-direct": "/rooms/6",
    "permalink": "/rooms/1/messages/2",
    "members": "/rooms/3/members",
    "settings": "/rooms/1/settings",
    "settings-direct": "/rooms/5/settings",
    "settings-archived": "/rooms/7/settings",
    "archived": "/rooms/7",
    "archive": "/rooms?archived=yes",
    "archive-none": "/rooms?archived=yes&q=zzz",
    "delete": "/rooms/1/delete",
    "pinned": "/rooms/1/pinned",
    "pinned-none": "/rooms/3/pinned",
    "invite": "/rooms/2/invite",
    "invite-none": "/rooms/3/invite",
    "invitation-ended": "/join/nothing",
    "profile": "/profile",
    "status": "/status",
    "admin": "/admin",
    "admin-invites": "/admin/invites",
    "admin-state": "/admin/state",
    "members-removed": "/rooms/2/members?saved=removed-and-renewed",
    "help": "/help",
    "switch": "/switch",
    "switch-none": "/switch?q=zzz",
    "mentions": "/mentions",
    "search": "/search?q=the",
    "search in vain": "/search?q=nothing+like+that",
    "reply": "/messages/2/reply",
    "not-found": "/nothing",
}


def check(page: Page, name: str) -> list[str]:
    """Look at a page at three widths and in both themes; returns overflows and the violations that axe finds."""
    problems = []
    for width, viewport in (("desktop", DESKTOP), ("tablet", TABLET), ("phone", PHONE)):
        page.set_viewport_size(viewport)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 0:
            problems.append(f"{name} {width}: {overflow} px too wide")
        if width == "tablet":
            continue
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            # Besides colours, the themes are the same.
            violations = accessibility_violations(page, only_colours=theme == "dark")
            problems += [f"{name} {width} {theme}: {violation}" for violation in violations]
            if "SCREENSHOTS" in os.environ:
                SCREENSHOTS.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{theme}.png")
    return problems


def test_pages_before_signing_in_are_accessible_and_fit(server: ChatServer, windows: Windows) -> None:
    page = windows.open(reduced_motion="reduce", expected=("403", "404", "422"))
    page.goto(server.url)
    problems = check(page, "not-set-up")
    page.fill("#code", "guessed")
    page.click("text=Continue")
    expect(page.locator(".field-error")).to_contain_text("not the set-up code")
    problems += check(page, "not-set-up-error")
    page.goto(f"{server.url}/first-run?{urlencode({'code': SETUP_CODE})}")
    problems += check(page, "first-run")
    first_run(server)
    for name, path in (("sign-in", "/sign-in"), ("sign-up", "/sign-up"), ("signed-out-404", "/nothing")):
        page.goto(f"{server.url}{path}")
        problems += check(page, name)
    page.goto(f"{server.url}/sign-up")
    page.fill("#name", "Bob")
    page.fill("#email", "bob@example.org")
    page.fill("#password", "short")
    page.click("button")
    expect(page.locator(".field-error")).to_contain_text("at least 8")
    problems += check(page, "sign-up-error")
    assert problems == []


def test_pages_after_signing_in_are_accessible_and_fit(school: list[Person], windows: Windows) -> None:
    alice = school[0]
    windows.open_as(school[1], "/rooms/1")
    page = windows.open_as(alice, reduced_motion="reduce", expected=("404", "422", *LOST_SERVER))
    problems = []
    for name, path in PAGES.items():
        page.goto(f"{alice.server.url}{path}")
        problems += check(page, name)
    link = re.findall(r'value="([^"]+/join/[^"]+)"', alice.get("/rooms/2/invite").text)[0]
    outside = windows.open(reduced_motion="reduce")
    outside.goto(link)
    problems += check(outside, "invited-signed-out")
    hers = windows.open_as(school[2], link.removeprefix(alice.server.url), reduced_motion="reduce")
    problems += check(hers, "invited")
    for name, path in (("slow", "/rooms/8"), ("closed", "/rooms/9"), ("settings-of-others", "/rooms/9/settings")):
        hers.goto(f"{alice.server.url}{path}")
        problems += check(hers, name)
    page.goto(f"{alice.server.url}/rooms/1")
    send(page, "x" * 10_001)
    expect(unsent(page)).to_contain_text("10,001 characters")
    post_by_forms(page)
    page.route("**/rooms/1/messages", lambda route: route.abort())
    for text in ("Is the projector there?", "And the screen?\nThe large one."):
        send(page, text)
    expect(unsent(page)).to_contain_text(["10,001", "Waiting for the connection.", "Waiting for the connection."])
    problems += check(page, "outbox")
    page.evaluate("document.documentElement.dataset.connection = 'lost'")
    expect(page.locator("#connection")).to_have_css("opacity", "1")
    problems += check(page, "reconnecting")
    contents = {
        "flag.png": encoded(landscape(), "PNG"),
        "small.png": encoded(plain(40, 30), "PNG"),
        "notes.txt": b"notes",
    }
    uploads = [upload(alice, 3, name, content) for name, content in contents.items()]
    assert post_files(alice, 3, uploads, "These files").is_success
    for name, path in (("files", "/rooms/3/files"), ("files-none", "/rooms/2/files"), ("message-of-files", "/rooms/3")):
        page.goto(f"{alice.server.url}{path}")
        problems += check(page, name)
    page.set_viewport_size(DESKTOP)
    ready(page)
    page.get_by_role("link", name="flag.png").click()
    expect(page.locator("#lightbox")).to_be_visible()
    problems += check(page, "lightbox")
    assert problems == []


def test_text_twice_as_large_still_fits_a_phone(school: list[Person], windows: Windows) -> None:
    page = windows.open_as(school[0], viewport=PHONE, expected=("404",))
    for name, path in PAGES.items():
        page.goto(f"{school[0].server.url}{path}")
        page.evaluate(
            "document.documentElement.classList.add('x'); document.adoptedStyleSheets = [Object.assign("
            "new CSSStyleSheet(), {})]; document.adoptedStyleSheets[0].insertRule('html{font-size:200%}')"
        )
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide"


def test_a_room_fills_the_window_and_only_its_history_scrolls(school: list[Person], windows: Windows) -> None:
    for viewport in (DESKTOP, TABLET, PHONE):
        page = windows.open_as(school[0], "/rooms/1", viewport=viewport)
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        expect(page.locator("#body")).to_be_in_viewport(ratio=1)
        expect(page.locator("#messages .message").last).to_be_in_viewport()


def test_a_long_url_in_the_composer_or_an_editor_keeps_the_layout(school: list[Person], windows: Windows) -> None:
    address = f"https://example.org/{'x' * 3000}"
    for viewport in (DESKTOP, PHONE):
        page = windows.open_as(school[0], "/rooms/1", viewport=viewport)
        page.fill("#body", address)
        assert page.evaluate("document.querySelector('.main').scrollWidth <= innerWidth")
        expect(page.locator(".send")).to_be_in_viewport(ratio=1)
        page.fill("#body", "")
        page.keyboard.press("ArrowUp")
        page.fill(".editor textarea", address)
        assert page.evaluate("document.querySelector('.main').scrollWidth <= innerWidth")
        page.goto(f"{school[0].server.url}/rooms/1/settings")
        page.fill("textarea", address)
        assert page.evaluate("document.querySelector('.main').scrollWidth <= innerWidth")


def test_a_phone_shows_the_list_first_and_the_room_alone(school: list[Person], windows: Windows) -> None:
    page = windows.open_as(school[0], "/list", viewport=PHONE)
    expect(page.locator("#sidebar")).to_be_visible()
    page.click("nav >> text=Lobby")
    expect(page.locator("#sidebar")).to_be_hidden()
    page.click("text=All rooms")
    expect(page.locator("#sidebar")).to_be_visible()


def test_a_member_reaches_and_does_everything_with_the_keyboard(school: list[Person], windows: Windows) -> None:
    page = windows.open_as(school[0], "/list")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    expect(page.locator(".skip-link")).to_be_in_viewport()
    reached = ""
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.innerText")
        if "your menu" in name:
            page.keyboard.press("Enter")
        reached += name
    for name in ("Lobby", "Find rooms", "New room", "People", "Alice Adams", "Administration", "Sign out"):
        assert name in reached
    page.goto(f"{school[0].server.url}/rooms/1")
    expect(page.locator("#body")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "focus is visible"


class SentRequest(TypedDict):
    """A request in Chromium's `Network.requestWillBeSent`."""

    url: str
    headers: dict[str, str]


class Sent(TypedDict):
    """Chromium's `Network.requestWillBeSent`, as far as it is read here."""

    requestId: str
    request: SentRequest


def test_a_first_load_of_a_room_takes_a_dozen_requests_and_sixty_kilobytes(alice: Person, windows: Windows) -> None:
    """Count what Chromium loads with an empty cache, headers included: page, styles, scripts, icon, websocket."""
    for number in range(50):
        alice.post(1, f"Message {number} of a page full of them")
    signed_in = windows.open_as(alice, "/rooms/1")
    page = windows.open(storage_state=signed_in.context.storage_state())
    network = page.context.new_cdp_session(page)
    addresses: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def note(sent: Sent) -> None:
        # Replayed notices of the last ten seconds make a page ask again, which is no part of the first load.
        if "X-Unasked" not in sent["request"]["headers"]:
            addresses[sent["requestId"]] = sent["request"]["url"]

    network.on("Network.requestWillBeSent", note)
    network.on("Network.webSocketCreated", lambda opened: addresses.update({opened["requestId"]: opened["url"]}))
    network.on("Network.loadingFinished", lambda end: sizes.update({end["requestId"]: end["encodedDataLength"]}))
    network.send("Network.enable")
    page.goto(f"{alice.server.url}/rooms/1")
    wait_until_live(page)
    page.wait_for_load_state("networkidle")
    requests = [f"{sizes.get(each, 0):.0f} {address}" for each, address in addresses.items()]
    print(*requests, f"{len(requests)} requests, {sum(sizes.values()):.0f} bytes", sep="\n")
    assert sum("/js/" in each for each in requests) > 3, "scripts are counted"
    assert len(requests) <= 12, requests
    assert sum(size for each, size in sizes.items() if each in addresses) <= 60_000, requests


def test_scripts_are_compressed(server: ChatServer) -> None:
    with urlopen(f"{server.url}/static/vendor/htmx.min.js") as plain:
        raw = plain.read()
    assert len(gzip.compress(raw)) < len(raw) / 2
