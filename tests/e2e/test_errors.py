"""Errors and notices go when their cause is gone."""

from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import Person


def test_an_error_goes_when_its_field_is_changed(alice: Person, windows: Windows) -> None:
    alice.post(1, "hello")
    page = windows.open_as(alice, "/rooms/1", expected=("422",))
    page.focus("#body")
    page.keyboard.press("ArrowUp")
    page.fill(".editor textarea", "x" * 10_001)
    page.keyboard.press("Enter")
    expect(page.locator(".editor .field-error")).to_contain_text("10,001 characters")
    page.locator(".editor textarea").press("Backspace")
    expect(page.locator(".editor .field-error")).to_be_hidden()
    page.goto(f"{alice.server.url}/rooms/new")
    page.fill("#name", "Lobby")
    page.click("text=Open the room")
    expect(page.locator("#name-help")).to_be_visible()
    page.locator("#name").press("End")
    page.keyboard.type(" of ours")
    expect(page.locator("#name-help")).to_be_hidden()
    expect(page.locator("[aria-invalid]")).to_have_count(0)
    stranger = windows.open(expected=("422",))
    stranger.goto(f"{alice.server.url}/sign-in")
    stranger.fill("#email", alice.email)
    stranger.fill("#password", "a wrong guess")
    stranger.click("button")
    expect(stranger.locator(".form-error")).to_be_visible()
    stranger.locator("#password").press_sequentially("a")
    expect(stranger.locator(".form-error")).to_be_hidden()


def test_a_notice_of_a_failed_action_goes_with_the_next_that_works(
    alice: Person, bob: Person, windows: Windows
) -> None:
    bob.post(1, "hello")
    page = windows.open_as(alice, "/rooms/1", expected=("404", "422"))
    page.evaluate("htmx.ajax('POST', '/messages/999/pin', {swap: 'none'})")
    expect(page.locator("#notice")).to_contain_text("There is nothing here")
    page.fill("#body", "and now?")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body").last).to_have_text("and now?")
    expect(page.locator("#notice")).to_be_empty()
