"""Changes to a room's settings, seen on its open pages."""

import re

from playwright.sync_api import expect

from tests.support.browsers import Windows, send
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


def test_slow_mode_says_how_long_to_wait_and_keeps_the_draft(alice: Person, bob: Person, windows: Windows) -> None:
    alice.submit("/rooms/1/settings", {"slow_seconds": "60"})
    his = windows.open_as(bob, "/rooms/1", expected=("422",))
    for text in ("one", "two"):
        send(his, text)
    expect(his.locator("#composer-error")).to_contain_text("this room is in slow mode")
    expect(his.locator(".message")).to_have_count(1)
    expect(his.locator("#body")).to_have_value("two")


def test_a_manager_changes_a_room_without_javascript(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1/settings", java_script_enabled=False)
    page.fill("#description", "For everybody.")
    page.select_option("#slow_seconds", "60")
    page.click("text=Save >> nth=0")
    page.goto(f"{alice.server.url}/rooms")
    expect(page.locator(".list")).to_contain_text("For everybody.")
