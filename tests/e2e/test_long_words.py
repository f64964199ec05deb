"""No page is wider than its window, however long a word without blanks somebody types."""

from playwright.sync_api import Page, expect

from tests.support.browsers import Windows
from tests.support.people import Person, room_in, sign_up

LONG = "w" * 300
WIDTHS = (320, 390, 768, 1280)
# Elements with a meaning that stick out of the window to the right, and are not within something that scrolls.
STICKING_OUT = """() => {
    const scrolls = (it) => it && (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(it).overflowX) ||
        scrolls(it.parentElement));
    return [...document.querySelectorAll("button, input, textarea, select, a, h1, h2, time")]
        .filter((it) => it.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
        .filter((it) => it.getBoundingClientRect().right > innerWidth + 1 && it.getBoundingClientRect().left > -50)
        .filter((it) => !scrolls(it.parentElement) || it.matches(".send"))
        .map((it) => `${it.tagName} ${it.className} ${it.textContent.slice(0, 20)}`);
}"""


# Parts of the page that scroll sideways: only programs and tables may.
SCROLLING = """() => [...document.querySelectorAll("body *")]
    .filter((it) => !it.closest("pre, table, textarea, input") && it.checkVisibility())
    .filter((it) => ["auto", "scroll"].includes(getComputedStyle(it).overflowX) && it.scrollWidth > it.clientWidth + 1)
    .map((it) => `${it.tagName} ${it.id} ${it.className}`)"""


def check(page: Page, path: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
        assert page.evaluate(SCROLLING) == [], (path, width)
        assert page.evaluate(STICKING_OUT) == [], (path, width)


def test_pages_hold_words_of_three_hundred_letters(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "B" + LONG[:59])
    room = room_in(alice.submit("/rooms", {"name": LONG[:80], "kind": "open"}))
    alice.submit(f"/rooms/{room}/settings", {"topic": LONG[:200], "description": LONG})
    bob.submit("/status", {"text": LONG[:80], "until": "always"})
    bob.submit("/profile/name", {"name": "B" + LONG[:59]})
    bob.join(room)
    for body in (
        f"https://example.org/{LONG}",
        f"@{bob.name} {LONG}",
        f"```\n{LONG}\n```",
        f"| {LONG} |\n|---|\n| a |",
    ):
        bob.post(room, body)
    bob.post(room, f"> {LONG}\n\n- {LONG}\n\n`{LONG}` @Alice Adams")
    alice.submit("/messages/1/pin", {"pinned": "yes"})
    direct = alice.open_direct(bob)
    bob.post(direct, LONG)
    page = windows.open_as(alice, f"/rooms/{room}", expected=("422",))
    for path in (
        f"/rooms/{room}",
        f"/rooms/{direct}",
        f"/rooms/{room}/settings",
        f"/rooms/{room}/members",
        f"/rooms/{room}/pinned",
        f"/rooms/{room}/invite",
        "/rooms",
        "/people",
        f"/people/{bob.id}",
        "/mentions",
        f"/search?q={LONG}",
        f"/switch?q={LONG[:80]}",
        "/direct/new",
        "/messages/2/actions",
        "/messages/2/reactions",
    ):
        page.goto(f"{alice.server.url}{path}")
        check(page, path)
    page.goto(f"{alice.server.url}/rooms/{room}")
    for text in (f"https://example.org/{LONG}", f"{LONG}\n{LONG}"):
        page.fill("#body", text)
        check(page, "the composer")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 700})
            expect(page.locator(".send")).to_be_in_viewport(ratio=0.9)
    page.keyboard.press("Control+k")
    page.keyboard.type("w" * 80)
    expect(page.locator("#switcher [role=option]").first).to_be_visible()
    check(page, "the switcher")
