"""Pages of a room's past: opened from a search, a mention, or the last read message."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import Windows, choose
from tests.support.people import Person


def ids(page: Page) -> list[int]:
    found = page.locator("#messages > .message").evaluate_all("all => all.map((each) => Number(each.id.slice(2)))")
    return [int(each) for each in found]


def test_posting_from_a_page_of_the_past_leads_to_the_present(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(1, 121):
        bob.post(1, f"line {number}")
    page = windows.open_as(alice, "/rooms/1/messages/10")
    expect(page.locator("nav a[aria-current]")).to_contain_text("Lobby")
    page.fill("#body", "about that")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body").last).to_have_text("about that")
    expect(page.locator("#body")).to_have_value("")
    assert ids(page) == list(range(72, 122))


def test_a_page_of_the_past_that_reaches_the_present_is_live(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(1, 121):
        bob.post(1, f"line {number}")
    page = windows.open_as(alice, "/rooms/1/messages/10")
    bob.edit(12, "changed meanwhile")
    while page.locator("#newer a").count():
        count = page.locator("#messages > .message").count()
        page.click("#newer a")
        expect(page.locator("#messages > .message")).not_to_have_count(count)
    expect(page.locator("#m-12 .body")).to_have_text("changed meanwhile (edited)")
    bob.post(1, "news")
    expect(page.locator("#m-121")).to_be_attached()
    assert ids(page) == list(range(1, 122))
    page.locator("#scroller").evaluate("scroller => scroller.scrollTop = 0")
    expect(page.locator("#sidebar a[data-room='1']")).to_have_attribute("data-read", "121")
    page.fill("#body", "and here")
    page.keyboard.press("Enter")
    expect(page.locator("#m-122")).to_be_visible()
    assert ids(page) == list(range(1, 123))


def test_the_link_to_newer_messages_is_in_the_middle_of_the_history(alice: Person, windows: Windows) -> None:
    for number in range(1, 61):
        alice.post(1, f"line {number}")
    page = windows.open_as(alice, "/rooms/1/messages/5")
    history, link = (page.locator(element).bounding_box() for element in ("#newer", "#newer a"))
    assert history
    assert link
    assert abs((history["x"] + history["width"] / 2) - (link["x"] + link["width"] / 2)) < 1


def test_a_reader_marks_a_message_unread_on_a_page_of_the_past(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(1, 121):
        bob.post(1, f"line {number}")
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#sidebar a[data-room='1']")).to_have_attribute("data-read", "120")
    page.goto(f"{alice.server.url}/rooms/1/messages/10")
    choose(page, 10, "text=Mark unread from here")
    expect(page.locator("#sidebar a[data-room='1']")).to_have_attribute("data-read", "9")


@pytest.mark.parametrize("scrolls", [False, True])
def test_a_returning_reader_finds_the_first_unread_message(
    alice: Person, bob: Person, windows: Windows, scrolls: bool
) -> None:
    bob.post(1, "read")
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#sidebar a[data-room='1']")).to_have_attribute("data-read", "1")
    expect(page.locator("#first-unread")).to_have_count(0)
    page.goto(f"{alice.server.url}/people")
    for number in range(2, 122):
        bob.post(1, f"line {number}")
    page.goto(f"{alice.server.url}/rooms/1")
    if scrolls:
        expect(page.locator("#sidebar a[data-room='1']")).to_have_attribute("data-read", "121")
        scroll_up(page)
        expect(page.locator("#jump")).to_be_visible()
        bob.post(1, "while she looks for it")
        expect(page.locator("#jump")).to_contain_text("1 new")
        for _ in range(100):
            scroll_up(page)
            if page.locator("#m-2").count():
                break
            page.wait_for_timeout(50)
    else:
        page.click("text=120 new messages: go to where you left off")
        expect(page.locator("#m-2")).to_be_in_viewport()
    expect(page.locator(".first-new")).to_have_id("m-2")


def scroll_up(page: Page) -> None:
    page.locator("#scroller").evaluate("scroller => scroller.scrollBy(0, -600)")


def test_a_page_that_becomes_live_marks_the_first_unread_message(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(1, 64):
        bob.post(1, f"line {number}")
    alice.submit("/rooms/1/read", {"position": 60})
    page = windows.open_as(alice, "/rooms/1/messages/5")
    expect(page.locator("#m-5")).to_be_in_viewport()
    page.click("#newer a")
    expect(page.locator("#m-63")).to_be_attached()
    expect(page.locator(".first-new")).to_have_id("m-61")


def test_an_old_message_edited_during_its_loading_shows_the_edit(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(1, 61):
        bob.post(1, f"line {number}")
    page = windows.open_as(alice, "/rooms/1")
    # Older messages load by themselves near the top; remove the link that loads them.
    page.evaluate("document.querySelector('#older a').remove()")
    bob.edit(1, "changed")
    bob.post(1, "after it")
    expect(page.locator("#m-61")).to_be_visible()
    stale = bob.get("/rooms/1/messages?before=11", **{"HX-Request": "true"}).text.replace("changed", "as it was")
    revision = page.evaluate("document.getElementById('messages').dataset.revision")
    assert f'data-revision="{int(revision) - 1}"' in stale
    stale = stale.replace(f'data-revision="{int(revision) - 1}"', 'data-revision="1"')
    page.route("**/rooms/1/messages?before=11", lambda route: route.fulfill(body=stale, content_type="text/html"))
    page.evaluate("htmx.ajax('GET', '/rooms/1/messages?before=11', {target: '#older', swap: 'outerHTML'})")
    expect(page.locator("#m-1 .body")).to_have_text("changed (edited)")
