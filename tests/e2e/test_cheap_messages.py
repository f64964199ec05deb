"""The cost of a message for a page that shows many others."""

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.support.browsers import Windows, wait_until_live
from tests.support.people import Person

BEFORE = 60


def test_a_new_message_leaves_the_style_of_the_others_as_it_is(alice: Person, windows: Windows, tmp_path: Path) -> None:
    for number in range(BEFORE):
        alice.post(1, f"message {number}")
    page = windows.open_as(alice, "/rooms/1")
    wait_until_live(page)
    alice.post(1, "the first")
    expect(page.locator("text=the first")).to_be_visible()
    browser, trace = page.context.browser, tmp_path / "trace.json"
    assert browser
    browser.start_tracing(page=page, path=trace, categories=["devtools.timeline"])
    alice.post(1, "the second")
    expect(page.locator("text=the second")).to_be_visible()
    browser.stop_tracing()
    events = json.loads(trace.read_text())["traceEvents"]
    styled = [event["args"]["elementCount"] for event in events if "elementCount" in event.get("args", ())]
    assert styled, "the trace tells of how many elements the style was computed"
    assert max(styled) < BEFORE
