"""Changes to a room's settings, seen on its open pages."""

import re

from playwright.sync_api import expect

from tests.support.browsers import Windows, send, unsent, wait_until_live
from tests.support.databases import query
from tests.support.people import Person


def test_changed_settings_show_on_open_pages(alice: Person, bob: Person, windows: Windows) -> None:
    his, hers = windows.open_as(bob, "/rooms/1"), windows.open_as(alice, "/rooms/1/settings")
    his.fill("#body", "half a thought")
    hers.fill("#name", "Hall")
    hers.fill("#topic", "Everything")
    hers.click("text=Owners and administrators only")
    hers.click("text=Chosen people")
    hers.click("text=Save >> nth=0")
    expect(his.locator("#room-header h1")).to_contain_text("Hall")
    expect(his.locator("#topic")).to_have_text("Everything")
    expect(his).to_have_title(re.compile(r"^Hall · "))
    expect(his.locator("#sidebar")).to_contain_text("Hall")
    expect(his.locator("#writing")).to_contain_text("Only the room’s owners and administrators can write here.")
    expect(his.locator("#body")).to_have_count(0)
    expect(hers.locator("#body")).to_be_visible()
    send(hers, "listen")
    expect(his.locator(".message")).to_contain_text("listen")
    alice.submit("/rooms/1/settings", {"posting": "everybody", "slow_seconds": "3600"})
    expect(his.locator("#body")).to_have_value("half a thought")
    expect(his.locator("#writing")).to_contain_text("one message in 1 hour")
    his.focus("#body")
    his.keyboard.press("End")
    his.keyboard.type(", ended")
    alice.submit("/rooms/1/settings", {"topic": "Something else"})
    expect(his.locator("#topic")).to_have_text("Something else")
    expect(his.locator("#body")).to_be_focused()
    his.keyboard.press("Enter")
    expect(his.locator(".message").last).to_contain_text("half a thought, ended")
    expect(his.locator("#body")).to_have_value("")


def test_slow_mode_counts_down_and_sends_the_message_when_it_may(alice: Person, bob: Person, windows: Windows) -> None:
    alice.submit("/rooms/1/settings", {"slow_seconds": "60"})
    his = windows.open_as(bob, "/rooms/1", expected=("429",))
    for text in ("one", "two", "three"):
        send(his, text)
    second, third = unsent(his).nth(0), unsent(his).nth(1)
    expect(unsent(his)).to_have_count(2)
    expect(second).to_contain_text(re.compile(r"This room is in slow mode\. It is sent in (60|5\d) seconds\."))
    expect(third).to_contain_text("Waiting for the message before it.")
    expect(second).to_contain_text(re.compile(r"It is sent in (5[0-7]|[1-4]\d) seconds\."))
    earlier = "UPDATE memberships SET posted_at = posted_at - interval '60 seconds'"
    query(alice.server.database_url, earlier)
    second.get_by_text("Retry").click()
    expect(his.locator("#messages .body")).to_have_text(["one", "two"])
    expect(unsent(his)).to_contain_text("This room is in slow mode.")


def test_a_message_for_a_slow_room_is_not_sent_by_itself_an_hour_later(
    alice: Person, bob: Person, windows: Windows
) -> None:
    alice.submit("/rooms/1/settings", {"slow_seconds": "3600"})
    his = windows.open_as(bob, "/rooms/1", expected=("429",))
    for text in ("one", "two"):
        send(his, text)
    expect(unsent(his)).to_have_count(1)
    expect(unsent(his)).to_contain_text("This room is in slow mode. You can send it in 60 minutes.")
    his.reload()
    expect(unsent(his)).to_contain_text("This room is in slow mode.")
    wait_until_live(his)
    his.wait_for_timeout(2000)
    expect(unsent(his).locator(".body")).to_have_text("two")


def test_a_manager_changes_a_room_without_javascript(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1/settings", java_script_enabled=False)
    page.fill("#description", "For everybody.")
    page.select_option("#slow_seconds", "60")
    page.click("text=Save >> nth=0")
    page.goto(f"{alice.server.url}/rooms")
    expect(page.locator(".list")).to_contain_text("For everybody.")
