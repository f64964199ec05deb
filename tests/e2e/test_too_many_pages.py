"""A member with more open pages than the server allows."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.browsers import Windows, wait_until_live, wait_until_runs
from tests.support.people import first_run
from tests.support.server import ChatServer


def test_the_oldest_page_says_it_is_disconnected_and_keeps_its_draft(
    start_server: Callable[..., ChatServer], database_url: str, windows: Windows
) -> None:
    alice = first_run(start_server(database_url, PAGES_PER_PERSON="2"))
    oldest = windows.open_as(alice, "/rooms/1")
    wait_until_live(oldest)
    wait_until_runs(oldest, "switching")
    oldest.fill("#body", "half a thought")
    others = [oldest.context.new_page() for _ in range(2)]
    for page in others:
        page.goto(f"{alice.server.url}/rooms/1")
        wait_until_live(page)
    notice = oldest.locator("#notice")
    expect(notice).to_contain_text("too many pages")
    alice.post(1, "Hello")
    for page in others:
        expect(page.locator("#messages")).to_contain_text("Hello")
    # It must not reconnect by itself: it would push out another page, which would reconnect, too.
    oldest.wait_for_timeout(3000)
    expect(notice).to_contain_text("too many pages")
    expect(oldest.locator("#messages")).not_to_contain_text("Hello")
    oldest.click("text=Reload")
    expect(oldest.locator("#messages")).to_contain_text("Hello")
    expect(oldest.locator("#body")).to_have_value("half a thought")
    expect(others[0].locator("#notice")).to_contain_text("too many pages")
