"""Answers that were made before somebody changed face or name, and reach the page after it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.test_switching import is_same, same_page
from tests.files.test_faces import send_picture
from tests.support.browsers import Windows, wait_until, wait_until_live
from tests.support.people import Person


def hold_answers(page: Page, url: str) -> list[Callable[[], None]]:
    """Hold the answers from an address; calling an item lets the page have its answer."""
    held: list[Callable[[], None]] = []

    def hold(route: Route) -> None:
        answer = route.fetch()
        held.append(lambda: route.fulfill(response=answer))

    page.route(url, hold)
    return held


UP = "document.getElementById('scroller').scrollTo(0, -1e6)"
# What a page of Bob in his direct room loads: its address, what makes the page load it, where it shows Alice, and what
# it brings besides.
LOADS: dict[str, tuple[str, Callable[[Person, Page], object], str, str]] = {
    "sidebar": (
        "**/sidebar",
        lambda bob, page: bob.create_room("Kitchen"),
        "#sidebar [data-room='3'] .avatar",
        "#sidebar >> text=Kitchen",
    ),
    "header": (
        "**/rooms/3/head*",
        lambda bob, page: bob.submit("/messages/2/pin", {"pinned": "yes"}),
        "h1 .avatar",
        "#pinned",
    ),
    "room": ("**/rooms/2", lambda bob, page: page.click("#sidebar >> text=Garden"), "#m-1 .avatar", "#m-1"),
    "older": ("**/rooms/3/messages?before=*", lambda bob, page: page.evaluate(UP), "#m-2 .avatar", "#m-2"),
}


@pytest.mark.parametrize("load", LOADS)
def test_an_answer_from_before_a_change_shows_the_change(
    alice: Person, bob: Person, windows: Windows, load: str
) -> None:
    url, begin, face, news = LOADS[load]
    garden = alice.create_room("Garden")
    bob.join(garden)
    alice.post(garden, "roses")
    direct = alice.open_direct(bob)
    for number in range(60):
        alice.post(direct, f"line {number}")
    page = windows.open_as(bob, f"/rooms/{direct}")
    same_page(page)
    wait_until_live(page)
    held = hold_answers(page, url)
    begin(bob, page)
    wait_until(lambda: bool(held), page)
    send_picture(alice)
    shown = page.locator("#m-61 .avatar > img")
    expect(shown).to_have_count(1)
    src = str(shown.get_attribute("src"))
    # A new name makes the page load sidebar and header once more.
    if load in {"room", "older"}:
        alice.submit("/profile/name", {"name": "Eve Evans"})
        expect(page.locator("#m-61 .author")).to_have_text("Eve Evans")
    held[0]()
    expect(page.locator(news)).to_be_visible()
    expect(page.locator(f"{face} > img")).to_have_attribute("src", src)
    if load in {"room", "older"}:
        expect(page.locator(news).locator(".author")).to_have_text("Eve Evans")
        expect(page.locator(face)).to_have_text("EE")
    assert is_same(page)
