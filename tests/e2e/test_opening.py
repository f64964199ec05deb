"""Opening the chat and its rooms: the last room, the first new message, and the first invitation."""

import re

from playwright.sync_api import expect

from tests.support.browsers import Windows, hide, wait_until
from tests.support.databases import query
from tests.support.people import Person, browser, sign_up


def read_position(person: Person) -> int:
    statement = "SELECT read_position FROM memberships WHERE room_id = 1 AND user_id = $1"
    return int(query(person.server.database_url, statement, person.id)[0][0])


def test_home_is_the_room_that_its_reader_was_in_last(alice: Person) -> None:
    def home(person: Person) -> str:
        return str(person.client.get("/").headers.get("location", ""))

    garden, board = alice.create_room("Garden"), alice.create_room("Board", "closed")
    alice.post(garden, "the newest message")
    assert home(alice) == f"/rooms/{garden}", "a new browser opens the room with the latest message"
    for room in (1, board, garden, board):
        alice.get(f"/rooms/{room}")
        assert home(alice) == f"/rooms/{room}"
    alice.submit(f"/rooms/{board}/archive")
    assert home(alice) == f"/rooms/{garden}", "an archived room is in no list"
    bob = sign_up(alice.server, "Bob Brown")
    bob.client.cookies.set("room", str(board))
    assert home(bob) == "/rooms/1", "another member's room does not open"
    for text in ("0", "x", "９", "9" * 30):
        bob.client.cookies.set("room", text.encode().hex() if not text.isascii() else text)
        assert home(bob) == "/rooms/1"
    bob.submit("/rooms/1/leave")
    assert "You have not joined a room yet" in bob.client.get("/").text


def test_an_empty_first_room_offers_its_invite_link(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/")
    expect(page).to_have_url(f"{alice.server.url}/rooms/1")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = page.locator("#invite-url").input_value()
    page.click("text=Copy")
    expect(page.locator("text=Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    assert page.locator(".qr").evaluate("image => image.complete && image.naturalWidth > 0")
    eve = browser(alice.server)
    assert "Sign up and join" in eve.get(link).text
    sign_up(alice.server, "Bob Brown")
    page.reload()
    expect(page.locator("#invite-url")).to_have_count(0)
    other = alice.create_room("Garden")
    assert "invite-url" not in alice.get(f"/rooms/{other}").text, "only the first room has a link from the start"


def test_a_room_with_few_new_messages_opens_at_the_first(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(60):
        bob.post(1, f"message {number}")
        if number == 29:
            alice.submit("/rooms/1/read", {"position": "30"})
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator(".first-new")).to_contain_text("message 30")
    expect(page.locator(".first-new")).to_be_in_viewport(ratio=1)
    expect(page.locator("#m-60")).not_to_be_in_viewport()
    expect(page.locator("#jump")).to_have_text("30 new")
    assert read_position(alice) == 30
    page.locator("#scroller").evaluate("scroller => { scroller.scrollTop = 0; }")
    wait_until(lambda: read_position(alice) == 60, page)
    hide(page)
    bob.post(1, "short")
    page.reload()
    expect(page.locator("#m-61")).to_be_in_viewport()


def test_the_pointer_to_many_new_messages_goes_at_the_line_or_is_dismissed(
    alice: Person, bob: Person, windows: Windows
) -> None:
    for number in range(70):
        bob.post(1, f"message {number}")
    alice.submit("/rooms/1/read", {"position": "5"})
    plain = windows.open_as(alice, "/rooms/1", java_script_enabled=False)
    page = windows.open_as(alice, "/rooms/1")
    pointer = page.locator("#first-unread")
    expect(pointer).to_contain_text("65 new messages")
    expect(page.locator("#m-70")).to_be_in_viewport()
    wait_until(lambda: read_position(alice) == 70, page)
    page.locator("#scroller").evaluate("scroller => { scroller.scrollTop = -scroller.scrollHeight; }")
    expect(page.locator("#m-6")).to_be_attached()
    expect(pointer).to_be_visible()
    page.locator("#m-6").scroll_into_view_if_needed()
    expect(page.locator("#m-6")).to_have_class(re.compile("first-new"))
    expect(pointer).to_have_count(0)
    query(alice.server.database_url, "UPDATE memberships SET read_position = 5 WHERE user_id = $1", alice.id)
    dismissing = windows.open_as(alice, "/rooms/1")
    dismissing.click("#first-unread button")
    expect(dismissing.locator("#first-unread")).to_have_count(0)
    query(alice.server.database_url, "UPDATE memberships SET read_position = 5 WHERE user_id = $1", alice.id)
    plain.click("#first-unread button")
    expect(plain.locator("#first-unread")).to_have_count(0)
    assert read_position(alice) == 70
