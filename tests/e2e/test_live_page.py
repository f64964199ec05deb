"""A page that stays current: restarts, back button, offline, hidden tabs, hostile text, no JavaScript."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import LOST_SERVER, Windows, post_by_forms, unsent, wait_until, wait_until_live
from tests.support.databases import query
from tests.support.people import Person, first_run, sign_in, sign_up
from tests.support.server import ChatServer

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script><hx-partial hx-target=body>gone</hx-partial>'\"&"


def shown(page: Page) -> list[str]:
    return page.locator("#messages .body").all_inner_texts()


def test_a_page_shows_each_message_once_after_a_restart(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    alice.post(1, "before")
    expect(page.locator("#messages .body")).to_have_text(["before"])
    alice.server.stop()
    expect(page.locator("#connection")).to_be_visible()
    alice.server.start()
    alice.post(1, "while the page was away")
    expect(page.locator("#messages .body")).to_have_text(["before", "while the page was away"], timeout=15_000)
    expect(page.locator("#connection")).to_be_hidden()
    alice.post(1, "after")
    expect(page.locator("#messages .body")).to_have_text(["before", "while the page was away", "after"])


def test_going_back_to_a_page_makes_it_live(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.goto(f"{alice.server.url}/people")
    alice.post(1, "while away")
    page.go_back()
    expect(page.locator("#messages")).to_contain_text("while away")
    alice.post(1, "and live again")
    expect(page.locator("#messages")).to_contain_text("and live again")


def test_a_message_sent_offline_waits_in_the_list_and_goes_later(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.context.set_offline(True)
    page.fill("#body", "from the tunnel")
    page.keyboard.press("Enter")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    expect(unsent(page).locator(".body")).to_have_text("from the tunnel")
    page.context.set_offline(False)
    expect(page.locator("#messages .body")).to_have_text(["from the tunnel"])
    expect(unsent(page)).to_have_count(0)
    assert alice.reads(1) == ["from the tunnel"]


def test_reloading_with_a_message_in_flight_posts_it_once(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    post_by_forms(page)
    page.route("**/rooms/1/messages", lambda route: None)
    page.fill("#body", "in flight")
    page.keyboard.press("Enter")
    # The server has it, but the page is gone before the answer.
    page.evaluate("document.getElementById('live').remove()")
    alice.post(1, "in flight", unsent(page).locator("[name=client_id]").input_value())
    page.unroute("**/rooms/1/messages")
    page.reload()
    expect(page.locator("#messages .body")).to_have_text(["in flight"])
    expect(unsent(page)).to_have_count(0)
    page.wait_for_timeout(500)
    assert alice.reads(1) == ["in flight"]


def test_a_message_sent_to_a_dead_server_is_posted_after_its_restart(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    alice.server.kill()
    page.fill("#body", "patience")
    page.keyboard.press("Enter")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    alice.server.start()
    expect(page.locator("#messages .body")).to_have_text(["patience"], timeout=20_000)
    expect(unsent(page)).to_have_count(0)
    assert alice.reads(1) == ["patience"]


def test_a_text_changed_after_sending_is_another_message(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    post_by_forms(page)
    page.route("**/rooms/1/messages", lambda route: route.abort())
    page.fill("#body", "helo")
    page.keyboard.press("Enter")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    client_id = unsent(page).locator("[name=client_id]").input_value()
    unsent(page).get_by_text("Edit").click()
    alice.post(1, "helo", client_id)
    page.keyboard.type("!")
    page.unroute("**/rooms/1/messages")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["helo", "helo!"])


def test_a_draft_survives_a_reload(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.locator("#body").press_sequentially("half a thou")
    page.goto(f"{alice.server.url}/people")
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator("#body")).to_have_value("half a thou")


def test_posting_without_a_socket_does_not_skip_missed_messages(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.evaluate("document.getElementById('live')._htmx.ws.connection.socket.close()")
    bob.post(1, "said while her socket was closed")
    page.fill("#body", "mine")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("mine")
    # Her own message must not have moved the cursor past his.
    expect(page.locator("#messages .body")).to_have_text(["said while her socket was closed", "mine"], timeout=10_000)


def test_a_hidden_tab_stays_connected(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    alice.post(1, "in the background")
    expect(page.locator("#messages")).to_contain_text("in the background")


def test_hostile_text_runs_no_script_anywhere(server: ChatServer, windows: Windows) -> None:
    alice = first_run(server, "Alice Adams")
    alice.submit("/profile/name", {"name": HOSTILE[:60]})
    room_id = alice.create_room(HOSTILE[:80])
    page = windows.open_as(alice, f"/rooms/{room_id}")
    page.on("dialog", lambda dialog: windows.complaints.append(f"a dialog: {dialog.message}"))
    alice.post(room_id, HOSTILE)
    alice.post(room_id, f"https://example.org/{HOSTILE}")
    alice.post(room_id, '{"target": "body", "content": "<h1>gone</h1>"}')
    expect(page.locator("#messages .message")).to_have_count(3)
    assert shown(page)[0] == HOSTILE
    expect(page.locator("#composer")).to_be_visible()
    for path in ("/list", "/rooms", "/people", "/profile", f"/rooms/{room_id}/members", f"/rooms/{room_id}/settings"):
        page.goto(f"{server.url}{path}")
    expect(page.locator("main")).to_contain_text("<img src=x")


def test_everything_but_live_updates_works_without_javascript(alice: Person, windows: Windows) -> None:
    for number in range(1, 61):
        alice.post(1, f"message {number}")
    page = windows.open_as(alice, "/rooms/1", java_script_enabled=False, expected=("422",))
    page.fill("#body", "by plain form\nwith two lines")
    page.click(".send")
    expect(page.locator("#messages .body").last).to_have_text("by plain form\nwith two lines")
    page.reload()
    assert shown(page).count("by plain form\nwith two lines") == 1
    page.click("text=Older messages")
    expect(page.locator("#messages .body").first).to_have_text("message 1")
    page.click("text=Newer messages")
    expect(page.locator("#messages .body").last).to_have_text("by plain form\nwith two lines")
    page.goto(f"{alice.server.url}/rooms/1")
    page.fill("#body", "y" * 10_001)
    page.click(".send")
    expect(page.locator("#composer-error")).to_contain_text("10,001 characters")
    expect(page.locator("#body")).to_have_value("y" * 10_001)
    page.goto(f"{alice.server.url}/rooms/new")
    page.fill("#name", "Garden")
    page.click("text=Open the room")
    expect(page.locator("h1")).to_contain_text("Garden")
    page.click(".me button")
    page.click("nav >> button:has-text('Sign out')")
    page.click(".confirm:popover-open .button-danger")
    expect(page).to_have_url(f"{alice.server.url}/sign-in")


def test_only_signing_out_this_session_closes_this_page(alice: Person, windows: Windows) -> None:
    first = windows.open_as(alice, "/rooms/1")
    second = first.context.new_page()
    second.goto(f"{alice.server.url}/rooms/1")
    other_browser = sign_in(alice.server, alice)
    other_browser.submit("/sign-out")
    alice.post(1, "still here")
    expect(first.locator("#messages")).to_contain_text("still here")
    second.click(".me button")
    second.click("nav >> button:has-text('Sign out')")
    second.click(".confirm:popover-open .button-danger")
    expect(first.locator("#notice")).to_contain_text("You are signed out")


@pytest.mark.parametrize(
    ("element", "event"), [("read", "read"), ("room-news", "news"), ("sidebar-news", "news"), ("page-news", "news")]
)
def test_background_requests_never_navigate_away_from_the_page(
    alice: Person, windows: Windows, element: str, event: str
) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.fill("#body", "half a thought")
    query(alice.server.database_url, "UPDATE sessions SET revoked_at = now() WHERE user_id = $1", alice.id)
    with page.expect_response(lambda response: response.request.headers.get("x-unasked") == "yes") as answer:
        page.evaluate("([id, event]) => htmx.trigger(`#${id}`, event)", [element, event])
    assert answer.value.status == 204
    expect(page.locator("#notice")).to_contain_text("You are signed out")
    expect(page.locator("#body")).to_have_value("half a thought")


def test_removing_a_member_closes_their_page_within_two_seconds(alice: Person, bob: Person, windows: Windows) -> None:
    room_id = alice.create_room("Board", "closed")
    durations = []
    for _ in range(3):
        alice.submit(f"/rooms/{room_id}/members", {"person": bob.id})
        page = windows.open_as(bob, f"/rooms/{room_id}")
        started = time.monotonic()
        alice.submit(f"/rooms/{room_id}/members/{bob.id}/remove")
        expect(page.locator("#notice")).to_contain_text("no longer in this room")
        durations.append(time.monotonic() - started)
        expect(page.locator("#sidebar")).not_to_contain_text("Board")
        alice.post(room_id, "a secret")
        page.wait_for_timeout(500)
        assert "a secret" not in shown(page)
        page.close()
    # On a busy machine a process may be slow for a moment.
    assert min(durations) < 2


def test_a_late_answer_after_a_removal_shows_no_error(alice: Person, bob: Person, windows: Windows) -> None:
    board = alice.create_room("Board", "closed")
    alice.submit(f"/rooms/{board}/members", {"person": bob.id})
    page = windows.open_as(bob, f"/rooms/{board}")
    held: list[Callable[[], None]] = []
    page.route(f"**/rooms/{board}/head*", lambda route: held.append(route.continue_))
    page.evaluate("htmx.trigger('#room-news', 'news')")
    wait_until(lambda: bool(held), page)
    alice.submit(f"/rooms/{board}/members/{bob.id}/remove")
    expect(page.locator("#notice")).to_contain_text("no longer in this room")
    with page.expect_response("**/head*"):
        held.pop(0)()
    page.wait_for_timeout(300)
    expect(page.locator("#notice")).to_contain_text("no longer in this room")


def test_messages_shown_on_the_front_page_count_as_read(alice: Person, windows: Windows) -> None:
    other = alice.create_room("Other")
    page = windows.open_as(alice, "/rooms/1")
    bob = sign_up(alice.server, "Bob Brown")
    for number in range(3):
        bob.post(1, f"message {number}")
    expect(page.locator("#messages")).to_contain_text("message 2")
    page.goto(f"{alice.server.url}/rooms/{other}")
    expect(page.locator("nav .unread")).to_have_count(0)
    bob.post(1, "one more")
    page.reload()
    expect(page.locator("nav .unread .badge:not(.mentioned) .number")).to_have_text("1")


def test_several_windows_show_the_same_messages(alice: Person, windows: Windows) -> None:
    pages = [windows.open_as(alice, "/rooms/1") for _ in range(3)]
    for number in range(10):
        alice.post(1, f"message {number}")
    expected: Callable[[], bool] = lambda: all(  # noqa: E731
        shown(page) == [f"message {number}" for number in range(10)] for page in pages
    )
    wait_until(expected, pages[0])


def test_a_long_open_page_drops_old_messages_and_reloads_them(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    for number in range(1, 421):
        alice.post(1, f"message {number}")
    expect(page.locator("#messages .body").last).to_have_text("message 420")
    assert 100 <= page.locator("#messages .body").count() <= 150

    def is_at_the_beginning() -> bool:
        page.locator("#scroller").hover()
        page.mouse.wheel(0, -30_000)
        page.wait_for_timeout(250)
        return page.locator("#messages .body").first.inner_text() == "message 1"

    wait_until(is_at_the_beginning, page, within=30)
    assert shown(page) == [f"message {number}" for number in range(1, 421)]
    expect(page.locator("#older a")).to_be_hidden()


def test_a_tall_window_keeps_the_messages_that_fill_it(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", viewport={"width": 900, "height": 3000})
    for number in range(160):
        alice.post(1, f"message {number}")
    expect(page.locator("#messages .body").last).to_have_text("message 159")
    assert shown(page) == [f"message {number}" for number in range(160)]


def test_a_reader_who_missed_one_message_keeps_no_more_of_the_others(
    alice: Person, bob: Person, windows: Windows
) -> None:
    page = windows.open_as(bob, "/rooms/1")
    for number in range(60):
        alice.post(1, f"before {number}")
    expect(page.locator("#messages .body").last).to_have_text("before 59")
    page.locator("#scroller").hover()
    page.mouse.wheel(0, -600)
    expect(page.locator("#jump")).to_be_visible()
    alice.post(1, "missed")
    expect(page.locator(".first-new .body")).to_have_text("missed")
    page.click("#jump")
    for number in range(101):
        alice.post(1, f"after {number}")
    expect(page.locator("#messages .body").last).to_have_text("after 100")
    expect(page.locator(".first-new .body")).to_have_text("missed")
    assert page.locator("#messages .body").count() <= 150


def test_a_page_behind_others_keeps_what_is_new_to_its_reader(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(bob, "/rooms/1", is_behind=True)
    for number in range(200):
        alice.post(1, f"message {number}")
    expect(page.locator("#messages .body").last).to_have_text("message 199")
    expect(page.locator(".first-new .body")).to_have_text("message 0")
    assert shown(page) == [f"message {number}" for number in range(200)]


def test_removing_a_member_closes_their_every_page_of_the_room(alice: Person, bob: Person, windows: Windows) -> None:
    room_id = alice.create_room("Board", "closed")
    alice.submit(f"/rooms/{room_id}/members", {"person": bob.id})
    alice.post(room_id, "a secret")
    page = windows.open_as(bob, f"/rooms/{room_id}")
    members = page.context.new_page()
    members.goto(f"{bob.server.url}/rooms/{room_id}/members")
    elsewhere = page.context.new_page()
    elsewhere.goto(f"{bob.server.url}/rooms/1/members")
    for each in (members, elsewhere):
        wait_until_live(each)
    alice.submit(f"/rooms/{room_id}/members/{bob.id}/remove")
    expect(page.locator("#notice")).to_contain_text("no longer in this room")
    expect(page.locator("#messages")).to_have_count(0)
    expect(members).not_to_have_url(f"{bob.server.url}/rooms/{room_id}/members")
    assert elsewhere.url == f"{bob.server.url}/rooms/1/members"


def test_removing_a_member_or_leaving_for_good_asks_for_confirmation(
    alice: Person, bob: Person, windows: Windows
) -> None:
    room_id = alice.create_room("Board", "closed")
    alice.submit(f"/rooms/{room_id}/members", {"person": bob.id})
    page = windows.open_as(alice, f"/rooms/{room_id}/members")
    page.click("button:has-text('Remove Bob Brown')")
    expect(page.locator(".confirm:popover-open")).to_contain_text("Remove Bob Brown from Board?")
    page.keyboard.press("Enter")
    expect(page.locator(".confirm:popover-open")).to_be_hidden()
    expect(page.locator("main >> text=Bob Brown").first).to_be_visible()
    page.click("button:has-text('Remove Bob Brown')")
    page.click(".confirm:popover-open .button-danger")
    expect(page.locator("button:has-text('Remove Bob Brown')")).to_have_count(0)
