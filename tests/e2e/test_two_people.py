"""Alice and Bob in two browsers."""

from playwright.sync_api import Page, expect

from tests.support.browsers import PHONE, Windows, send, unsent, wait_until
from tests.support.people import PASSWORD, Person, sign_up
from tests.support.server import SETUP_CODE, ChatServer


def shown(page: Page) -> list[str]:
    return page.locator("#messages .body").all_inner_texts()


def test_alice_sets_the_chat_up_and_talks_with_bob(server: ChatServer, windows: Windows) -> None:
    alice = windows.open(expected=("403",))
    alice.goto(server.url)
    expect(alice).to_have_url(f"{server.url}/first-run")
    alice.fill("#code", SETUP_CODE)
    alice.click("text=Continue")
    alice.fill("#installation_name", "Willow Street School")
    alice.fill("#name", "Alice Adams")
    alice.fill("#email", "alice@example.org")
    alice.fill("#password", PASSWORD)
    alice.click("text=Start the chat")
    alice.click("nav >> text=Lobby")

    bob = windows.open(viewport=PHONE)
    bob.goto(server.url)
    bob.click("text=Sign up")
    bob.fill("#name", "Bob Brown")
    bob.fill("#email", "bob@example.org")
    bob.fill("#password", PASSWORD)
    bob.click("button:has-text('Sign up')")
    expect(bob.locator("h1")).to_contain_text("Lobby")
    expect(alice.locator("#member-count")).to_contain_text("2")

    send(alice, "Welcome, Bob!")
    expect(bob.locator("#messages")).to_contain_text("Welcome, Bob!")
    send(bob, "Thank you.\nGlad to be here.")
    for page in (alice, bob):
        expect(page.locator("#messages .body")).to_have_text(["Welcome, Bob!", "Thank you.\nGlad to be here."])
    expect(alice.locator("#online")).to_contain_text("Bob Brown")
    expect(bob.locator("#online")).to_contain_text("Alice Adams")


def test_a_direct_room_appears_in_the_other_members_sidebar(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    his = windows.open_as(bob, "/rooms/1")
    hers = windows.open_as(alice, f"/people/{bob.id}")
    hers.click("text=Message")
    expect(hers.locator("h1")).to_contain_text("Bob Brown")
    send(hers, "Just between us")
    his.click("nav >> text=Alice Adams")
    expect(his.locator("#messages")).to_contain_text("Just between us")
    send(his, "My lips are sealed")
    expect(hers.locator("#messages")).to_contain_text("My lips are sealed")


def test_enter_sends_and_shift_enter_starts_a_line(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.locator("#body").press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    page.locator("#body").press_sequentially("two")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text("one\ntwo")
    expect(page.locator("#body")).to_have_value("")


def test_a_message_too_long_stays_in_the_list_with_the_reason_beside_it(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=("422",))
    page.fill("#body", "x" * 10_001)
    page.keyboard.press("Enter")
    expect(unsent(page)).to_contain_text("10,001 characters")
    expect(unsent(page).locator(".body")).to_have_text("x" * 10_001)
    page.fill("#body", "short")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text("short")


def test_scrolling_up_loads_older_messages_and_keeps_the_place(alice: Person, windows: Windows) -> None:
    for number in range(1, 121):
        alice.post(1, f"message {number}")
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#messages .body").last).to_have_text("message 120")
    assert page.evaluate("document.getElementById('scroller').scrollTop") == 0, "it starts at the newest message"
    oldest = page.locator("#messages .body").first.inner_text()
    assert oldest == "message 71"
    page.locator("#messages .message").first.scroll_into_view_if_needed()
    wait_until(lambda: page.locator("#messages .message").count() == 100, page)
    # The message being read is still in view.
    expect(page.locator("#messages .body", has_text="message 71")).to_be_in_viewport()
    page.locator("#messages .message").first.scroll_into_view_if_needed()
    wait_until(lambda: page.locator("#messages .message").count() == 120, page)
    assert shown(page) == [f"message {number}" for number in range(1, 121)]
    expect(page.locator("#older a")).to_be_hidden()


def test_a_permalink_opens_the_room_around_its_message(alice: Person, windows: Windows) -> None:
    for number in range(1, 121):
        alice.post(1, f"message {number}")
    page = windows.open_as(alice, "/rooms/1/messages/30")
    expect(page.locator("#m-30 .body")).to_be_in_viewport()
    assert "message 120" not in shown(page)
    page.click("text=Jump to the latest")
    expect(page.locator("#messages .body").last).to_have_text("message 120")


def test_messages_of_an_author_are_grouped(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    for person, body in ((alice, "one"), (alice, "two"), (bob, "three")):
        person.post(1, body)
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#messages .author >> visible=true")).to_have_count(3)
    expect(page.locator("#messages .message").nth(0).locator(".byline")).to_be_in_viewport()
    expect(page.locator("#messages .message").nth(1).locator(".byline")).not_to_be_in_viewport()


def test_times_and_days_are_in_the_readers_zone(alice: Person, windows: Windows) -> None:
    alice.post(1, "hello")
    page = windows.open_as(alice, "/rooms/1", timezone_id="Pacific/Kiritimati", locale="en-GB")
    at = page.locator("#messages time").get_attribute("datetime")
    expected = page.evaluate(
        "at => new Date(at).toLocaleTimeString('en-GB', {timeStyle: 'short', timeZone: 'Pacific/Kiritimati'})",
        at,
    )
    expect(page.locator("#messages time")).to_have_text(expected)
