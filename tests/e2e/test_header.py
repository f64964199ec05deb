"""A room's header: notifications, favourites, members online, and search in the room."""

from playwright.sync_api import Page, expect

from tests.support.browsers import PHONE, Windows, hide
from tests.support.databases import query
from tests.support.people import Person
from tests.support.searching import until_searchable


def level(person: Person) -> str:
    statement = "SELECT level FROM memberships WHERE room_id = 1 AND user_id = $1"
    return str(query(person.server.database_url, statement, person.id)[0][0])


def test_the_bell_sets_notifications_with_one_click(alice: Person, windows: Windows) -> None:
    page, other = windows.open_as(alice, "/rooms/1"), windows.open_as(alice, "/rooms/1", viewport=PHONE)
    plain = windows.open_as(alice, "/rooms/1", java_script_enabled=False)
    for way, words, name in ((page, "Mute", "nothing"), (plain, "All messages", "everything")):
        way.click("#bell > button")
        way.click(f"#levels >> text={words}")
        expect(way.locator("#levels")).to_be_hidden()
        for each in (way, other):
            expect(each.locator("#bell > button")).to_have_attribute("title", f"Notifications: {words}")
        expect(other.locator("nav a[data-room='1']")).to_have_attribute("data-level", name)
        assert level(alice) == name


def sections(page: Page) -> dict[str, list[str]]:
    headings = page.locator("nav h2").all_inner_texts()
    return {
        heading: page.locator("nav section").nth(at).locator("a[data-room] .one-line").all_inner_texts()
        for at, heading in enumerate(headings)
    }


def test_favourites_stand_on_top_of_the_sidebar_on_every_page(alice: Person, bob: Person, windows: Windows) -> None:
    direct = alice.open_direct(bob)
    page, other = windows.open_as(alice, "/rooms/1"), windows.open_as(alice, "/people")
    page.click("#star button")
    expect(page.locator("#star button")).to_have_attribute("aria-pressed", "true")
    alice.submit(f"/rooms/{direct}/favourite", {"favourite": "yes"})
    for each in (page, other):
        expect(each.locator("section[aria-labelledby=favourites-heading] a")).to_have_count(2)
        assert sections(each) == {"Favourites": ["Lobby", "Bob Brown"], "Rooms": [], "Direct conversations": []}
    # A page in front would mark the message as read.
    hide(page)
    bob.post(1, "hello")
    expect(other.locator("nav a[data-room='1'] .badge:visible")).to_have_text("1 new")
    plain = windows.open_as(alice, "/rooms/1", java_script_enabled=False)
    plain.click("#star button")
    expect(plain.locator("#star button")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#star button")).to_have_attribute("aria-pressed", "false")
    assert sections(plain) == {"Favourites": ["Bob Brown"], "Rooms": ["Lobby"], "Direct conversations": []}


def test_the_members_online_are_stacked_and_listed_on_demand(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    windows.open_as(bob, "/rooms/1")
    expect(page.locator("#faces .avatar")).to_have_text(["AA", "BB"])
    expect(page.locator("#online")).to_be_hidden()
    page.click("[popovertarget=members]")
    expect(page.locator("#online li")).to_contain_text(["Alice Adams", "Bob Brown"])
    expect(page.locator("#online")).to_be_visible()
    page.click("text=All members")
    expect(page).to_have_url(f"{alice.server.url}/rooms/1/members")


def test_search_in_a_room_waits_for_a_question(alice: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden club")
    for room in (1, garden):
        alice.post(room, "tomatoes")
    until_searchable(alice.server)
    page = windows.open_as(alice, f"/rooms/{garden}")
    page.click("[title=Search]")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator(".mentions li")).to_have_count(0)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator(".mentions li")).to_have_count(0)
    page.keyboard.type("tomatoes")
    page.keyboard.press("Enter")
    expect(page.locator(".mentions li")).to_contain_text(["Garden club"])
    expect(page.locator("#q")).to_have_value('in:"Garden club" tomatoes')


def test_a_phone_searches_and_stars_a_room_from_its_menu(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden club for all who like tomatoes")
    alice.post(garden, "tomatoes")
    alice.submit("/messages/1/pin", {"pinned": "yes"})
    until_searchable(alice.server)
    page = windows.open_as(alice, f"/rooms/{garden}", viewport={"width": 320, "height": 640}, has_touch=True)
    menu, favourite = page.locator("#members"), "SELECT favourite FROM memberships WHERE room_id = $1 AND user_id = $2"
    page.tap("[popovertarget=members]")
    menu.get_by_role("button", name="Add to favourites").tap()
    expect(menu.get_by_role("button", name="Remove from favourites")).to_be_visible()
    assert query(alice.server.database_url, favourite, garden, alice.id)[0][0]
    menu.get_by_role("link", name="Search here").tap()
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("tomatoes")
    page.keyboard.press("Enter")
    expect(page.locator("#q")).to_have_value('in:"Garden club for all who like tomatoes" tomatoes')
    expect(page.locator(".mentions li")).to_have_count(1)
