"""Day separators: their names, and the day that stays in sight."""

from playwright.sync_api import Page, expect

from tests.support.browsers import Windows
from tests.support.databases import query
from tests.support.people import Person


def test_days_have_names_that_change_at_midnight_and_stay_in_sight(
    alice: Person, bob: Person, windows: Windows
) -> None:
    for number in range(40):
        bob.post(1, f"line {number}")
    url = alice.server.database_url
    query(url, "UPDATE messages SET created_at = '2026-03-03 11:00Z' WHERE id <= 10 RETURNING 1")
    query(url, "UPDATE messages SET created_at = '2026-03-04 11:00Z' WHERE id BETWEEN 11 AND 25 RETURNING 1")
    query(url, "UPDATE messages SET created_at = '2026-03-05 11:00Z' WHERE id > 25 RETURNING 1")
    # A request that is in flight while the clock jumps takes hours.
    page = windows.open_as(alice, "/people", timezone_id="Asia/Tokyo", expected=("htmx:error: timeout",))
    page.clock.install(time="2026-03-05T12:00:00Z")
    page.goto(f"{alice.server.url}/rooms/1")
    starts = "[...document.querySelectorAll('#messages .starts-day')].map((row) => row.dataset.day.replace(',', ''))"
    assert page.evaluate(starts) == ["Tuesday 3 March 2026", "Yesterday", "Today"]
    label = page.locator("#day")
    page.evaluate("document.getElementById('m-20').scrollIntoView({ block: 'start' })")
    expect(label).to_have_attribute("data-day", "Yesterday")
    expect(label).to_be_in_viewport()
    assert_covers_whole_lines(page)
    page.evaluate("document.getElementById('m-11').scrollIntoView({ block: 'start' })")
    expect(label).to_be_hidden()
    page.evaluate("scroller.scrollBy(0, -40)")
    expect(label).to_have_attribute("data-day", "Tuesday, 3 March 2026")
    expect(label).to_be_visible()
    # Midnight in Tokyo is at 15:00.
    page.clock.fast_forward("03:01:00")
    assert page.evaluate(starts) == ["Tuesday 3 March 2026", "Wednesday 4 March 2026", "Yesterday"]


def assert_covers_whole_lines(page: Page) -> None:
    """Beside the name of the day no part of a line is seen, however far the list is scrolled."""
    box = page.locator("#scroller").bounding_box()
    assert box
    seen = set()
    for _ in range(3):
        seen.add(page.screenshot(clip={"x": box["x"], "y": box["y"] + 1, "width": box["width"] / 3, "height": 26}))
        page.evaluate("scroller.scrollBy(0, -7)")
        expect(page.locator("#day")).to_be_in_viewport()
    assert len(seen) == 1
