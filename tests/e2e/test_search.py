"""Searching messages in the browser."""

from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import Person, sign_up
from tests.support.searching import until_searchable


def test_a_reader_finds_a_message_and_opens_it_in_its_room(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    bob.post(1, "The lantern is in the shed")
    for number in range(120):
        bob.post(1, f"{number}")
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#body")).to_be_focused()
    page.locator("#scroller").focus()
    page.keyboard.press("/")
    expect(page.locator(".sidebar-search input")).to_be_focused()
    until_searchable(alice.server)
    page.keyboard.type("LANTERN shed")
    page.keyboard.press("Enter")
    expect(page.locator("mark")).to_have_text(["lantern", "shed"])
    page.click(".mentions >> text=Lobby")
    expect(page.locator("#m-1")).to_be_in_viewport()
    assert page.locator("#m-121").count() == 0
    page.click("text=Jump to the latest")
    expect(page.locator("#m-121")).to_be_in_viewport()


def test_a_reader_searches_a_room_and_repeats_a_recent_search(alice: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden Club")
    alice.post(1, "tea here")
    alice.post(garden, "tea there")
    page = windows.open_as(alice, f"/rooms/{garden}", java_script_enabled=False, expected=("422",))
    page.click("main header >> text=Search in Garden Club")
    box = page.locator("main input[type=search]")
    expect(box).to_be_focused()
    expect(box).to_have_attribute("placeholder", 'Search messages in:"Garden Club"')
    box.fill("tea")
    until_searchable(alice.server)
    page.keyboard.press("Enter")
    expect(page.locator(".extract")).to_have_text(["tea there"])
    page.goto(f"{alice.server.url}/search")
    page.click(".recent >> text=Garden Club")
    expect(page.locator(".extract")).to_have_text(["tea there"])
    box.fill("before:soon tea")
    page.keyboard.press("Enter")
    expect(page.locator(".field-error")).to_contain_text("Write a date after before:")
    expect(box).to_have_value("before:soon tea")
    page.goto(f"{alice.server.url}/search")
    page.click("text=Clear recent searches")
    expect(page.locator(".recent")).to_have_count(0)
