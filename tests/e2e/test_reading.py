"""Unread counts, the line above new messages, and marking as read or unread."""

import re

from playwright.sync_api import Page, Route, expect

from tests.support.browsers import LOST_SERVER, Windows, choose, hide, open_menu, wait_until, wait_until_live
from tests.support.databases import query
from tests.support.people import Person


def badge(page: Page, room: str) -> str:
    """The number beside a room; empty when there is none."""
    return " @".join(page.locator(f"nav a:has-text('{room}') .badge:visible .number").all_inner_texts())


def read_position(person: Person) -> int:
    statement = "SELECT read_position FROM memberships WHERE room_id = 1 AND user_id = $1"
    return int(query(person.server.database_url, statement, person.id)[0][0])


def wants_everything(person: Person, room_id: int) -> None:
    """Let a person be told of all messages in a room, not only of mentions."""
    assert person.submit(f"/rooms/{room_id}/level", {"level": "everything"}).status_code == 303


def test_other_rooms_count_new_messages_as_they_arrive(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    wants_everything(alice, garden)
    page = windows.open_as(alice, "/rooms/1")
    assert badge(page, "Garden") == ""
    for number in range(3):
        bob.post(garden, f"message {number}")
    expect(page).to_have_title(re.compile(r"^\(3\) Lobby"))
    assert badge(page, "Garden") == "3"
    page.reload()
    expect(page).to_have_title(re.compile(r"^\(3\) Lobby"))
    direct = bob.open_direct(alice)
    bob.post(direct, "psst")
    expect(page).to_have_title(re.compile(r"^\(4\) Lobby"))
    page.click("nav >> text=Garden")
    expect(page).to_have_title(re.compile(r"^\(1\) Garden"))


def test_reading_a_room_marks_it_read_on_every_tab(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    wants_everything(alice, garden)
    one, other = (windows.open_as(alice, "/rooms/1") for _ in range(2))
    bob.post(garden, "news")
    for page in (one, other):
        expect(page).to_have_title(re.compile(r"^\(1\) "))
    one.click("nav >> text=Garden")
    expect(one.locator("#messages")).to_contain_text("news")
    expect(other).to_have_title(re.compile(r"^Lobby"))
    assert badge(other, "Garden") == ""


# Notes each change of what the sidebar says of its rooms.
WATCH_ROOMS = """
    window.changes = [];
    new MutationObserver((changes) => changes.forEach(({ target }) => window.changes.push(target.textContent)))
        .observe(document.querySelector("#sidebar .rooms"),
            { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "hidden"] });
"""


def with_one_sidebar(windows: Windows, person: Person) -> Page:
    """Open a page that does not load its sidebar once more when it has connected, as it otherwise may."""
    page = windows.open_as(person, "/rooms/1")
    page.route("**/sidebar", lambda route: route.fulfill(status=204))
    page.reload()
    wait_until_live(page)
    return page


def test_a_message_that_is_read_at_once_is_never_counted_as_new(alice: Person, bob: Person, windows: Windows) -> None:
    page = with_one_sidebar(windows, bob)
    page.evaluate(WATCH_ROOMS)
    for number in range(3):
        alice.post(1, f"line {number}")
        expect(page.locator("#messages .body").last).to_have_text(f"line {number}")
    wait_until(lambda: read_position(bob) == 3, page)
    assert page.evaluate("window.changes") == []
    hide(page)
    alice.post(1, "later")
    wait_until(lambda: bool(page.evaluate("window.changes.length")), page)
    assert badge(page, "Lobby") == "1"


def test_a_late_report_of_reading_counts_nothing_as_new(alice: Person, bob: Person, windows: Windows) -> None:
    page = with_one_sidebar(windows, bob)
    reports: list[Route] = []

    def hold_the_first(route: Route) -> None:
        reports.append(route)
        if len(reports) > 1:
            route.continue_()

    page.route("**/rooms/1/read", hold_the_first)
    alice.post(1, "one")
    wait_until(lambda: bool(reports), page)
    alice.post(1, "two")
    expect(page.locator("#m-2")).to_be_visible()
    page.evaluate(WATCH_ROOMS)
    reports[0].continue_()
    wait_until(lambda: read_position(bob) == 2, page)
    assert page.evaluate("window.changes") == []
    # What another page marks as unread shows here as well.
    bob.submit("/messages/1/unread")
    wait_until(lambda: bool(page.evaluate("window.changes.length")), page)


def test_a_deleted_message_is_not_counted_as_new(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    wants_everything(alice, garden)
    page = windows.open_as(alice, "/rooms/1")
    for body in ("oops", "sorry"):
        bob.post(garden, body)
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    for message, title in ((1, r"^\(1\) Lobby"), (2, "^Lobby")):
        bob.delete(message)
        expect(page).to_have_title(re.compile(title))
        assert re.search(f"<title>{title[1:]}", alice.get("/people").text.replace("People", "Lobby"))
    assert badge(page, "Garden") == ""
    bob.post(garden, "now")
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    page.click("nav >> text=Garden")
    expect(page).to_have_title(re.compile("^Garden"))


def test_only_messages_seen_on_the_screen_count_as_read(alice: Person, bob: Person, windows: Windows) -> None:
    wants_everything(alice, 1)
    page = windows.open_as(alice, "/rooms/1")
    hide(page, True)
    for number in range(60):
        bob.post(1, f"message {number}")
    expect(page).to_have_title(re.compile(r"^\(60\) "))
    expect(page.locator(".first-new")).to_contain_text("message 0")
    assert "(60)" in alice.get("/").text
    hide(page, False)
    expect(page).to_have_title(re.compile(r"^Lobby"))
    expect(page.locator(".first-new")).to_contain_text("message 0")
    page.locator("#scroller").hover()
    page.mouse.wheel(0, -2000)
    expect(page.locator("#jump")).to_be_visible()
    expect(page.locator("#jump")).to_contain_text("To the latest")
    bob.post(1, "while you were up there")
    bob.post(1, "and another")
    expect(page.locator("#jump")).to_contain_text("2 new")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    expect(page.locator(".first-new")).to_contain_text("while you were up there")
    page.click("#jump")
    expect(page.locator("#jump")).to_be_hidden()
    expect(page).to_have_title(re.compile(r"^Lobby"))
    expect(page.locator(".first-new")).to_contain_text("while you were up there")
    # The line stands at the author, also of a message that continues their others.
    expect(page.locator(".first-new.continues .author")).to_be_in_viewport()


def test_a_line_marks_the_first_unread_message(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    bob.post(1, "seen")
    wait_until(lambda: read_position(alice) == 1, page)
    page.goto(f"{alice.server.url}/people")
    bob.post(1, "first new one")
    bob.post(1, "second new one")
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator(".first-new")).to_contain_text("first new one")
    wait_until(lambda: read_position(alice) == 3, page)
    page.reload()
    expect(page.locator(".first-new")).to_have_count(0)


def test_messages_arriving_before_the_readers_eyes_are_not_new(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    bob.post(1, "seen as it came")
    expect(page.locator("#messages")).to_contain_text("seen as it came")
    page.wait_for_timeout(300)
    expect(page.locator(".first-new")).to_have_count(0)
    hide(page, True)
    bob.post(1, "came behind")
    expect(page.locator(".first-new")).to_contain_text("came behind")
    hide(page, False)
    bob.post(1, "came in front")
    expect(page.locator("#m-3")).to_be_visible()
    expect(page.locator(".first-new")).to_contain_text("came behind")
    page.fill("#body", "I see")
    page.keyboard.press("Enter")
    expect(page.locator("#m-4")).to_be_visible()
    expect(page.locator(".first-new")).to_have_count(0)


def test_a_reader_marks_a_message_unread(alice: Person, bob: Person, windows: Windows) -> None:
    wants_everything(alice, 1)
    for number in range(5):
        bob.post(1, f"message {number}")
    page = windows.open_as(alice, "/rooms/1")
    wait_until(lambda: read_position(alice) == 5, page)
    choose(page, 4, "Mark unread from here")
    expect(page).to_have_title(re.compile(r"^\(2\) Lobby"))
    expect(page.locator(".first-new")).to_contain_text("message 3")
    expect(page.locator("#menu")).to_be_hidden()
    page.goto(f"{alice.server.url}/people")
    expect(page).to_have_title(re.compile(r"^\(2\) People"))


def test_the_sidebar_sorts_rooms_in_the_chosen_order(alice: Person, bob: Person, windows: Windows) -> None:
    rooms = {name: alice.create_room(name) for name in ("Zoo", "Bees")}
    for room in rooms.values():
        bob.join(room)
    page = windows.open_as(alice, "/profile")
    names = page.locator("nav section:first-of-type .rooms a[data-room] .one-line")
    expect(names).to_have_text(["Bees", "Lobby", "Zoo"])
    page.click("text=By latest message")
    page.click("#order >> text=Save")
    bob.post(rooms["Zoo"], "roar")
    expect(names).to_have_text(["Zoo", "Lobby", "Bees"])
    bob.post(1, "hello")
    expect(names.first).to_have_text("Lobby")
    page.click("text=By name")
    page.click("text=Show unread rooms first")
    page.click("#order >> text=Save")
    expect(names).to_have_text(["Lobby", "Zoo", "Bees"])


def test_without_javascript_a_button_marks_an_opened_room_as_read(alice: Person, bob: Person, windows: Windows) -> None:
    wants_everything(alice, 1)
    bob.post(1, "hello")
    page = windows.open_as(alice, "/people", java_script_enabled=False)
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    page.click("nav >> text=Lobby")
    expect(page.locator(".body")).to_have_text("hello")
    assert read_position(alice) == 0, "to open a page changes nothing"
    page.click("button[name=from]")
    wait_until(lambda: read_position(alice) == 1, page)
    page.goto(f"{alice.server.url}/people")
    expect(page).to_have_title(re.compile(r"^People"))


def test_only_administrators_delete_other_members_messages(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "spam")
    alice.post(1, "ham")
    assert bob.delete(2).status_code == 403
    page = windows.open_as(alice, "/rooms/1")
    choose(page, 1, "Delete")
    page.click(".confirm:popover-open .button-danger")
    expect(page.locator(".message.deleted")).to_have_count(1)
    expect(page.locator(".message.deleted .author")).to_have_text("Bob Brown")
    assert bob.reads(1) == ["This message was deleted.", "ham"]


def test_a_message_marked_unread_stays_unread_as_others_arrive(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(3):
        bob.post(1, f"message {number}")
    page = windows.open_as(alice, "/rooms/1")
    row = page.locator("#sidebar a[data-room='1']")
    expect(row).to_have_attribute("data-read", "3")
    open_menu(page, 2)
    bob.post(1, "message 3")
    wait_until(lambda: read_position(alice) == 4, page)
    page.click("text=Mark unread from here")
    expect(row).to_have_attribute("data-read", "1")
    hide(page, True)
    hide(page, False)
    page.wait_for_timeout(1500)
    assert read_position(alice) == 1
    page.fill("#body", "now I have")
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("data-read", "5")


def test_messages_read_on_another_device_are_not_new_here(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    hide(page, True)
    bob.post(1, "read on the phone")
    expect(page.locator(".first-new")).to_have_count(1)
    alice.submit("/rooms/1/read", {"position": 1})
    expect(page).to_have_title(re.compile(r"^Lobby"))
    expect(page.locator(".first-new")).to_have_count(0)


def test_a_member_of_many_rooms_sees_unread_rooms_in_the_sidebar(alice: Person, bob: Person, windows: Windows) -> None:
    old = alice.create_room("Quiet for long")
    bob.join(old)
    page = windows.open_as(bob, "/rooms/1")
    statement = """
        WITH many AS (INSERT INTO rooms (kind, name, newest_at, message_count, revision)
            SELECT 'open', 'Room ' || n, now(), 1, 1 FROM generate_series(1, 60) AS n RETURNING id)
        INSERT INTO memberships (room_id, user_id, role, read_position) SELECT id, $1, 'member', 1 FROM many
    """
    query(alice.server.database_url, statement, bob.id)
    page.reload()
    wait_until_live(page)
    expect(page.locator("nav >> text=Quiet for long")).to_have_count(0)
    query(alice.server.database_url, "UPDATE rooms SET newest_at = now() + interval '1 hour' WHERE name LIKE 'Room %'")
    alice.post(old, "at last")
    expect(page.locator("nav a:has-text('Quiet for long') .badge:visible .number")).to_have_text("1")


def test_marking_unread_without_a_server_changes_nothing(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "one")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.route("**/messages/1/unread", lambda route: route.abort())
    choose(page, 1, "text=Mark unread from here")
    expect(page.locator("#notice .notice")).to_contain_text("The server cannot be reached")
    bob.post(1, "two")
    expect(page.locator("#sidebar a[data-room='1']")).to_have_attribute("data-read", "2")
    wait_until(lambda: read_position(alice) == 2, page)


def test_the_read_position_is_sent_even_as_the_page_closes(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.evaluate(
        "() => document.addEventListener('htmx:config:request', ({ target, detail }) =>"
        " target.id === 'read' && (window.outlives = detail.ctx.request.keepalive))"
    )
    page.evaluate("htmx.trigger('#read', 'read')")
    wait_until(lambda: page.evaluate("window.outlives") is not None, page)
    assert page.evaluate("window.outlives") is True
