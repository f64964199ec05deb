"""The sidebar: numbers beside rooms, the menu on the member's own name, and marking all as read."""

import re

from playwright.sync_api import expect

from tests.support.browsers import PHONE, Windows
from tests.support.people import Person


def test_mentions_have_a_number_of_their_own_beside_the_unread_messages(
    alice: Person, bob: Person, windows: Windows
) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    live = windows.open_as(bob, "/people")
    for number in range(101):
        alice.post(garden, "@Bob Brown, look" if number == 50 else f"message {number}")
    fresh = windows.open_as(bob, "/people")
    for page in (live, fresh):
        line = page.locator("nav a:has-text('Garden')")
        expect(line.locator(".badge:visible")).to_have_text(["99+ new", "1 for you"])
        assert int(line.evaluate("line => getComputedStyle(line).fontWeight")) >= 600
        quiet, loud = (
            line.locator(".badge").nth(each).evaluate("it => getComputedStyle(it).backgroundColor") for each in (0, 1)
        )
        assert quiet == "rgba(0, 0, 0, 0)" != loud


def test_a_member_marks_everything_as_read_with_and_without_javascript(
    alice: Person, bob: Person, windows: Windows
) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    page, other = windows.open_as(bob, "/people"), windows.open_as(bob, "/mentions")
    plain = windows.open_as(bob, "/people", java_script_enabled=False)
    for way in (page, plain):
        for room in (1, garden):
            alice.post(room, "what about you, @Bob Brown?")
        way.reload()
        expect(way).to_have_title(re.compile(r"^\(2\) "))
        way.click("text=Mark all as read")
        for each in (way, other):
            expect(each).to_have_title(re.compile(r"^\w"))
            expect(each.locator("nav .badge:visible")).to_have_count(0)
            expect(each.locator("text=Mark all as read")).to_be_hidden()


def test_signing_out_is_in_the_menu_on_the_own_name_and_asks_first(
    alice: Person, bob: Person, windows: Windows
) -> None:
    page = windows.open_as(alice, "/people", viewport=PHONE)
    page.goto(f"{alice.server.url}/list")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    page.click("text=Alice Adams")
    expect(page.locator("#my-menu >> text=Administration")).to_be_visible()
    page.click("text=Sign out")
    page.click(".confirm:popover-open >> text=Cancel")
    expect(page).to_have_url(f"{alice.server.url}/list")
    page.click("#my-menu >> text=Sign out")
    page.click(".confirm:popover-open .button-danger")
    expect(page).to_have_url(f"{alice.server.url}/sign-in")
    assert "Administration" not in bob.get("/people").text


def test_drafts_leave_only_the_rooms_with_something_unsent(alice: Person, windows: Windows) -> None:
    for name in ("Board", "Garden"):
        alice.create_room(name)
    page = windows.open_as(alice, "/rooms/1")
    drafts = page.locator("text=Drafts")
    expect(drafts).to_be_hidden()
    page.fill("#body", "half a thought")
    page.click("nav >> text=Board")
    expect(page.locator("h1")).to_contain_text("Board")
    drafts.click()
    expect(page.locator("nav a[data-room]:visible .one-line")).to_have_text(["Lobby"])
    page.click("nav >> text=Lobby")
    expect(page.locator("#body")).to_have_value("half a thought")
    page.fill("#body", "")
    page.click("nav >> text=Garden")
    expect(drafts).to_be_hidden()
    expect(page.locator("nav a[data-room]:visible")).to_have_count(3)
