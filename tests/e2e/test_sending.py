"""Sending on slow lines, from several pages, and what is typed meanwhile."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.browsers import LOST_SERVER, Windows, choose, send, wait_until
from tests.support.people import Person


def hold_back(page: Page, url: str) -> list[Callable[[], None]]:
    """What a page asks for at an address, each to go on when it is called."""
    held: list[Callable[[], None]] = []
    page.route(url, lambda route: held.append(route.continue_))
    return held


def release(page: Page, held: list[Callable[[], None]]) -> None:
    wait_until(lambda: bool(held), page)
    held.pop()()


def test_what_is_typed_while_a_message_is_on_its_way_stays(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.route("**/messages", lambda route: (page.wait_for_timeout(400), route.continue_()))
    page.fill("#body", "first")
    page.keyboard.press("Enter")
    page.locator("#body").press_sequentially(" and then")
    expect(page.locator("#messages .body")).to_have_text("first")
    expect(page.locator("#body")).to_have_value(" and then")


def test_what_is_sent_while_a_message_is_on_its_way_goes_after_it(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.route("**/messages", lambda route: (page.wait_for_timeout(1000), route.continue_()))
    box = page.locator("#body")
    box.press_sequentially("first")
    page.keyboard.press("Enter")
    box.press_sequentially("second")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["first", "second"])
    expect(box).to_have_value("")
    box.fill("third")
    page.keyboard.press("Enter")
    box.fill("other words")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["first", "second", "third", "other words"])
    expect(box).to_have_value("")
    assert alice.reads(1) == ["first", "second", "third", "other words"]


def test_what_is_added_to_what_was_not_acknowledged_goes_after_it(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    held: list[Callable[[], None]] = []
    page.route("**/rooms/1/messages", lambda route: held.append(route.abort))
    box = page.locator("#body")
    box.press_sequentially("first")
    page.keyboard.press("Enter")
    box.press_sequentially(" and then")
    # The server has it, but the answer was lost.
    alice.post(1, "first", page.locator("#client-id").input_value())
    wait_until(lambda: bool(held), page)
    held.pop()()
    expect(page.locator("#composer-error")).to_contain_text("Not sent yet")
    page.unroute("**/rooms/1/messages")
    expect(box).to_have_value(" and then")
    expect(page.locator("#composer-error")).to_have_text("")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["first", "and then"])
    assert alice.reads(1) == ["first", "and then"]


def test_a_double_click_posts_once(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=("422",))
    page.fill("#body", "only once")
    page.dblclick(".send")
    expect(page.locator("#messages .body")).to_have_count(1)
    page.wait_for_timeout(500)
    assert alice.reads(1) == ["only once"]


def test_what_is_typed_before_the_quote_is_here_is_kept_and_goes_with_it(alice: Person, windows: Windows) -> None:
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
    page.keyboard.type("Yes")
    page.keyboard.press("Enter")
    release(page, quotes)
    expect(page.locator("#m-2 blockquote")).to_contain_text("shall we?")
    expect(page.locator("#m-2")).to_contain_text("Yes")
    expect(box).to_have_value("")


def test_a_quote_that_comes_while_a_message_is_on_its_way_stands_behind_it(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    posts = hold_back(page, "**/rooms/1/messages")
    send(page, "hi")
    choose(page, 1, "text=Reply")
    expect(page.locator("#body")).to_have_value(re.compile(r"^hi> @Alice Adams "))
    page.keyboard.type("Yes")
    page.keyboard.press("Enter")
    release(page, posts)
    expect(page.locator("#m-2 .body")).to_have_text("hi")
    release(page, posts)
    expect(page.locator("#m-3 blockquote")).to_contain_text("shall we?")
    expect(page.locator("#body")).to_have_value("")


def test_a_draft_and_what_stands_there_already_are_both_kept(alice: Person, windows: Windows) -> None:
    alice.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    page.fill("#body", "half a thought")
    for _ in range(2):
        page.goto(f"{alice.server.url}/messages/1/reply")
        expect(page.locator("#body")).to_have_value(
            re.compile(r"^half a thought\n> @Alice Adams .*we\?\n\n$", re.DOTALL)
        )
        page.fill("#body", "half a thought")


def test_pages_of_one_room_keep_what_each_has(alice: Person, windows: Windows) -> None:
    one = windows.open_as(alice, "/rooms/1")
    other = one.context.new_page()
    other.goto(f"{alice.server.url}/rooms/1")
    one.fill("#body", "a long thought")
    send(other, "ok")
    expect(one.locator("#m-1 .body")).to_have_text("ok")
    expect(other.locator("#body")).to_have_value("")
    wait_until(lambda: "a long thought" in str(one.evaluate("localStorage.getItem(draftKey(composer()))")), one)
    one.reload()
    expect(one.locator("#body")).to_have_value("a long thought")
    other.reload()
    expect(other.locator("#body")).to_have_value("a long thought")
    other.press("#body", "Enter")
    expect(one.locator("#m-2 .body")).to_have_text("a long thought")
    expect(one.locator("#body")).to_have_value("")
    one.reload()
    expect(one.locator("#body")).to_have_value("")


def test_what_another_page_has_sent_is_not_sent_again_and_costs_no_message(alice: Person, windows: Windows) -> None:
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


def test_what_was_not_acknowledged_goes_again_though_the_connection_is_there_already(
    alice: Person, windows: Windows
) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.evaluate(
        "() => { const draft = { body: 'late', id: newId(), submitted: 'late' };"
        " localStorage.setItem(draftKey(composer()), JSON.stringify(draft)); restoreDraft(); }"
    )
    expect(page.locator("#messages .body")).to_have_text(["late"])
    expect(page.locator("#body")).to_have_value("")
