"""Sending on slow connections, from several pages, and drafts typed meanwhile."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.support.browsers import LOST_SERVER, Windows, choose, send, wait_until
from tests.support.databases import query
from tests.support.people import Person


def after(page: Page, milliseconds: int) -> Callable[[Route], None]:
    """Let a request through after a while."""

    def wait(route: Route) -> None:
        page.wait_for_timeout(milliseconds)
        route.continue_()

    return wait


def hold_back(page: Page, url: str, fails: bool = False) -> list[Callable[[], None]]:
    """Hold a page's requests to an address; calling an item lets its request continue or fail."""
    held: list[Callable[[], None]] = []
    page.route(url, lambda route: held.append(route.abort if fails else route.continue_))
    return held


def release(page: Page, held: list[Callable[[], None]]) -> None:
    wait_until(lambda: bool(held), page)
    held.pop()()


def test_text_typed_during_a_send_stays_in_the_box(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.route("**/messages", after(page, 400))
    page.fill("#body", "first")
    page.keyboard.press("Enter")
    page.locator("#body").press_sequentially(" and then")
    expect(page.locator("#messages .body")).to_have_text("first")
    expect(page.locator("#body")).to_have_value(" and then")


def test_messages_sent_during_a_send_are_queued_in_order(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.route("**/messages", after(page, 1000))
    box = page.locator("#body")
    box.press_sequentially("first")
    page.keyboard.press("Enter")
    box.press_sequentially("second")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    box.press_sequentially("and third")
    page.keyboard.press("Enter")
    page.keyboard.type("half a thou")
    expect(box).to_have_value("first\nsecond\nand third\nhalf a thou")
    expect(page.locator("#messages .body")).to_have_text(["first", "second", "and third"])
    expect(box).to_have_value("half a thou")
    box.fill("third")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+a")
    page.keyboard.type("third thoughts")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["first", "second", "and third", "third", "third thoughts"])
    expect(box).to_have_value("")
    assert alice.reads(1) == ["first", "second", "and third", "third", "third thoughts"]


def test_text_pasted_during_a_send_leaves_the_cursor_behind_it(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    held = hold_back(page, "**/rooms/1/messages")
    box = page.locator("#body")
    box.press_sequentially("first")
    page.keyboard.press("Enter")
    page.keyboard.insert_text("second, pasted")
    page.keyboard.press("Enter")
    page.keyboard.insert_text("third")
    page.keyboard.press("Enter")
    expect(box).to_have_value("first\nsecond, pasted\nthird")
    for _ in range(3):
        release(page, held)
    expect(page.locator("#messages .body")).to_have_text(["first", "second, pasted", "third"])


def test_text_added_to_an_unacknowledged_message_goes_after_it(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    held = hold_back(page, "**/rooms/1/messages", fails=True)
    box = page.locator("#body")
    box.press_sequentially("first")
    page.keyboard.press("Enter")
    box.press_sequentially(" and then")
    # The server has it, but the answer was lost.
    alice.post(1, "first", page.locator("#client-id").input_value())
    release(page, held)
    expect(page.locator("#composer-error")).to_contain_text("Not sent yet")
    page.keyboard.type(" more")
    page.unroute("**/rooms/1/messages")
    expect(box).to_have_value(" and then more")
    expect(page.locator("#composer-error")).to_have_text("")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["first", "and then more"])
    assert alice.reads(1) == ["first", "and then more"]


def test_a_far_too_long_text_is_refused_and_stays_in_the_box(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=("413",))
    text = "x" * 300_000
    send(page, text)
    expect(page.locator("#notice")).to_contain_text("too much at once")
    expect(page.locator("#body")).to_have_value(text)
    send(page, "short")
    expect(page.locator("#messages .body")).to_have_text("short")


def test_a_double_click_posts_once(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=("422",))
    page.fill("#body", "only once")
    page.dblclick(".send")
    expect(page.locator("#messages .body")).to_have_count(1)
    page.wait_for_timeout(500)
    assert alice.reads(1) == ["only once"]


def test_text_typed_while_a_quote_loads_is_sent_with_it(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    quotes = hold_back(page, "**/messages/1/reply")
    box, search = page.locator("#body"), page.locator(".sidebar-search input")
    choose(page, 1, "text=Reply")
    page.keyboard.type("Indeed")
    search.focus()
    release(page, quotes)
    expect(box).to_have_value(re.compile(r"^> @Alice Adams .*shall we\?\n\nIndeed$", re.DOTALL))
    expect(search).to_be_focused()
    box.fill("")
    choose(page, 1, "text=Reply")
    page.keyboard.press("Enter")
    page.keyboard.type("Yes")
    page.keyboard.press("Enter")
    page.keyboard.type("and")
    release(page, quotes)
    expect(page.locator("#m-2 blockquote")).to_contain_text("shall we?")
    expect(page.locator("#m-2 .body")).to_contain_text("Yes")
    expect(page.locator("#m-2 .body")).not_to_contain_text("and")
    expect(box).to_have_value("and")


def test_a_quote_that_loads_during_a_send_stays_for_the_next_message(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    posts = hold_back(page, "**/rooms/1/messages")
    send(page, "hi")
    choose(page, 1, "text=Reply")
    expect(page.locator("#body")).to_have_value(re.compile(r"^hi\n> @Alice Adams "))
    page.keyboard.type("Yes")
    page.keyboard.press("Enter")
    release(page, posts)
    expect(page.locator("#m-2 .body")).to_have_text("hi")
    release(page, posts)
    expect(page.locator("#m-3 blockquote")).to_contain_text("shall we?")
    expect(page.locator("#body")).to_have_value("")


def test_a_reply_waits_for_its_quote_after_the_message_before(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    posts, quotes = hold_back(page, "**/rooms/1/messages"), hold_back(page, "**/messages/1/reply")
    send(page, "hi")
    choose(page, 1, "text=Reply")
    page.keyboard.type("Yes")
    page.keyboard.press("Enter")
    release(page, posts)
    expect(page.locator("#body")).to_have_value("Yes")
    page.wait_for_timeout(300)
    assert posts == []
    release(page, quotes)
    release(page, posts)
    expect(page.locator("#m-3 blockquote")).to_contain_text("shall we?")
    expect(page.locator("#body")).to_have_value("")


def test_a_message_sent_before_asking_for_a_quote_goes_without_it(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    posts = hold_back(page, "**/rooms/1/messages")
    send(page, "first")
    page.keyboard.type("second")
    page.keyboard.press("Enter")
    choose(page, 1, "text=Reply")
    expect(page.locator("#body")).to_have_value(re.compile(r"^first\nsecond\n> @Alice Adams "))
    for text in ("first", "second"):
        release(page, posts)
        expect(page.locator("#messages .body").last).to_have_text(text)
    expect(page.locator("#body")).to_have_value(re.compile(r"^> @Alice Adams "))


def test_a_quote_is_not_sent_with_an_unacknowledged_message(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    posts, quotes = hold_back(page, "**/rooms/1/messages", fails=True), hold_back(page, "**/messages/1/reply")
    page.evaluate("Math.random = () => 1")
    send(page, "first")
    choose(page, 1, "text=Reply")
    alice.post(1, "first", page.locator("#client-id").input_value())
    release(page, posts)
    expect(page.locator("#composer-error")).to_contain_text("Not sent yet")
    release(page, quotes)
    expect(page.locator("#body")).to_have_value(re.compile(r"^first\n> @Alice Adams "))
    page.unroute("**/rooms/1/messages")
    expect(page.locator("#body")).to_have_value(re.compile(r"^> @Alice Adams .*\n\n$", re.DOTALL))
    page.keyboard.type("Yes")
    page.keyboard.press("Enter")
    expect(page.locator("#m-3 blockquote")).to_contain_text("shall we?")
    expect(page.locator("#messages .body")).to_have_count(3)
    assert alice.reads(1)[1] == "first"


def test_a_failed_message_is_retried_after_its_form_was_replaced(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(bob, "/rooms/1", expected=LOST_SERVER)
    posts = hold_back(page, "**/rooms/1/messages", fails=True)
    send(page, "first")
    alice.submit("/rooms/1/settings", {"slow_seconds": "60"})
    expect(page.locator("#writing")).to_contain_text("one message in 1 minute")
    page.wait_for_timeout(2000)
    release(page, posts)
    expect(page.locator("#composer-error")).to_contain_text("Not sent yet")
    page.unroute("**/rooms/1/messages")
    expect(page.locator("#messages .body")).to_have_text(["first"])
    expect(page.locator("#body")).to_have_value("")


def test_the_message_after_a_command_that_navigates_has_a_new_id(alice: Person, windows: Windows) -> None:
    for number in range(60):
        alice.post(1, f"{number}")
    page = windows.open_as(alice, "/rooms/1/messages/3")
    page.evaluate(
        "() => { const spent = document.getElementById('client-id').value;"
        " const note = () => sessionStorage.setItem('isNew', document.getElementById('client-id').value !== spent);"
        " document.addEventListener('htmx:after:request', note); }"
    )
    send(page, "first")
    expect(page.locator("#messages .body").last).to_have_text("first")
    assert page.evaluate("sessionStorage.getItem('isNew')") == "true"


def test_a_double_click_quotes_once_and_enter_sends_no_bare_quote(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    quotes = hold_back(page, "**/messages/1/reply")
    choose(page, 1, "text=Reply")
    page.locator("#m-1 [href$='/reply']").dispatch_event("click")
    page.keyboard.press("Enter")
    release(page, quotes)
    expect(page.locator("#body")).to_have_value(re.compile(r"shall we\?\n\n$"))
    page.wait_for_timeout(300)
    assert page.locator("#body").input_value().count("shall we?") == 1
    assert quotes == []
    assert alice.reads(1) == ["shall we?"], "Enter had nothing to send yet"


def test_a_reply_whose_quote_fails_stays_in_the_box(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    quotes = hold_back(page, "**/messages/1/reply", fails=True)
    choose(page, 1, "text=Reply")
    send(page, "Yes")
    release(page, quotes)
    expect(page.locator("#composer-error")).to_contain_text("could not be quoted")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(500)
    expect(page.locator("#body")).to_have_value("Yes")
    page.keyboard.press("Enter")
    expect(page.locator("#m-2 .body")).to_have_text("Yes")


def test_a_draft_and_text_already_in_the_box_are_both_kept(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    page.fill("#body", "half a thought")
    for _ in range(2):
        page.goto(f"{alice.server.url}/messages/1/reply")
        expect(page.locator("#body")).to_have_value(
            re.compile(r"^half a thought\n> @Alice Adams .*we\?\n\n$", re.DOTALL)
        )
        page.fill("#body", "half a thought")


def test_pages_of_a_room_each_keep_their_own_draft(alice: Person, windows: Windows) -> None:
    one = windows.open_as(alice, "/rooms/1")
    other = one.context.new_page()
    other.goto(f"{alice.server.url}/rooms/1")
    one.fill("#body", "a long thought")
    send(other, "ok")
    expect(one.locator("#m-1 .body")).to_have_text("ok")
    expect(other.locator("#body")).to_have_value("")
    wait_until(lambda: "a long thought" in str(one.evaluate("localStorage.getItem(localStorage.key(0))")), one)
    one.reload()
    expect(one.locator("#body")).to_have_value("a long thought")
    other.reload()
    expect(other.locator("#body")).to_have_value("a long thought")
    other.press("#body", "Enter")
    expect(one.locator("#m-2 .body")).to_have_text("a long thought")
    expect(one.locator("#body")).to_have_value("")
    one.reload()
    expect(one.locator("#body")).to_have_value("")


def test_a_draft_sent_by_another_page_is_not_sent_again(alice: Person, windows: Windows) -> None:
    one = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    one.route("**/rooms/1/messages", lambda route: route.abort())
    send(one, "first")
    expect(one.locator("#composer-error")).to_contain_text("Not sent yet")
    other = one.context.new_page()
    other.route("**/rooms/1/messages", lambda route: route.abort())
    other.goto(f"{alice.server.url}/rooms/1")
    expect(other.locator("#composer-error")).to_contain_text("Not sent yet")
    one.unroute("**/rooms/1/messages")
    expect(one.locator("#body")).to_have_value("")
    expect(other.locator("#body")).to_have_value("")
    expect(other.locator("#composer-error")).to_have_text("")
    other.unroute("**/rooms/1/messages")
    other.wait_for_timeout(3500)
    expect(other.locator("#composer-error")).to_have_text("")
    send(other, "second")
    expect(one.locator("#messages .body")).to_have_text(["first", "second"])


def test_an_unacknowledged_message_is_retried_while_connected(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.evaluate(
        "() => { const { dataset, action } = document.getElementById('composer');"
        " const draft = { body: 'late', id: crypto.randomUUID(), submitted: 'late' };"
        " localStorage.setItem(`draft:${dataset.author}:${new URL(action).pathname}`, JSON.stringify(draft));"
        " htmx.ajax('GET', '/rooms/1', { target: '#writing', select: '#writing', swap: 'outerHTML' }); }"
    )
    expect(page.locator("#messages .body")).to_have_text(["late"])
    expect(page.locator("#body")).to_have_value("")


def test_a_message_sent_while_signed_out_keeps_its_id_after_sign_in(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    client_id = page.locator("#client-id").input_value()
    query(alice.server.database_url, "UPDATE sessions SET revoked_at = now() WHERE user_id = $1", alice.id)
    with page.expect_navigation():
        send(page, "first")
    kept = str(page.evaluate("localStorage.getItem(localStorage.key(0))"))
    assert '"submitted":"first"' in kept
    assert client_id in kept


def test_text_added_before_a_reload_remains_the_next_message(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.route("**/rooms/1/messages", lambda route: route.abort())
    page.evaluate(
        "() => { const { dataset, action } = document.getElementById('composer');"
        " const draft = { body: 'first\\nand', id: crypto.randomUUID(), submitted: 'first' };"
        " localStorage.setItem(`draft:${dataset.author}:${new URL(action).pathname}`, JSON.stringify(draft)); }"
    )
    page.reload()
    expect(page.locator("#body")).to_have_value("first\nand")
    page.locator("#body").press_sequentially(" then")
    page.unroute("**/rooms/1/messages")
    expect(page.locator("#messages .body")).to_have_text(["first"])
    expect(page.locator("#body")).to_have_value("and then")
