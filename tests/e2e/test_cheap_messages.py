"""The cost of a message for a page that shows many others, and of another room for a page with many rooms."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.test_switching import is_same, same_page, to_room
from tests.support.browsers import Windows, wait_until_live
from tests.support.people import Person

BEFORE = 60


@contextmanager
def styled_elements(page: Page, trace: Path) -> Iterator[list[int]]:
    """Give of how many elements Chromium computes the style, each time that it does; complete at the end."""
    browser, styled = page.context.browser, list[int]()
    assert browser
    browser.start_tracing(page=page, path=trace, categories=["devtools.timeline"])
    yield styled
    browser.stop_tracing()
    events = json.loads(trace.read_text())["traceEvents"]
    styled += [event["args"]["elementCount"] for event in events if "elementCount" in event.get("args", ())]
    assert styled, "the trace tells of how many elements the style was computed"


def test_a_new_message_leaves_the_style_of_the_others_as_it_is(alice: Person, windows: Windows, tmp_path: Path) -> None:
    for number in range(BEFORE):
        alice.post(1, f"message {number}")
    page = windows.open_as(alice, "/rooms/1")
    wait_until_live(page)
    alice.post(1, "the first")
    expect(page.locator("text=the first")).to_be_visible()
    with styled_elements(page, tmp_path / "trace.json") as styled:
        alice.post(1, "the second")
        expect(page.locator("text=the second")).to_be_visible()
    assert max(styled) < BEFORE


def test_another_room_leaves_the_style_of_the_sidebar_as_it_is(alice: Person, windows: Windows, tmp_path: Path) -> None:
    for number in range(BEFORE):
        alice.create_room(f"Room {number}")
    page = windows.open_as(alice, "/rooms/1")
    same_page(page)
    to_room(page, "Room 7")
    to_room(page, "Lobby")
    with styled_elements(page, tmp_path / "trace.json") as styled:
        to_room(page, "Room 7")
        expect(page.locator("#body")).to_be_focused()
    assert is_same(page)
    assert max(styled) < page.locator("#sidebar *").count() / 2
