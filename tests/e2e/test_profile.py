"""What one chooses for oneself shows at once, where it should."""

from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import Person


def test_a_page_that_is_open_elsewhere_is_told_when_it_is_signed_out(alice: Person, windows: Windows) -> None:
    elsewhere = windows.open_as(alice, "/rooms/1")
    expect(elsewhere.locator("#online")).to_contain_text("Alice")
    elsewhere.fill("#body", "not sent yet")
    page = windows.open_as(alice, "/profile")
    expect(page.locator("#sessions .list > li")).to_have_count(3)
    expect(page.locator("#sessions .list > li").first).to_contain_text("This browser")
    expect(page.locator("#sessions .list > li").first).to_contain_text("Chrome on Linux")
    page.click("text=Sign out all the others")
    expect(page.locator("#sessions .saved")).to_have_text("All your other browsers are signed out.")
    expect(page.locator("#sessions h2")).to_be_in_viewport()
    expect(page.locator("#sessions .list > li")).to_have_count(1)
    expect(elsewhere.locator("#notice")).to_contain_text("You are signed out")
    expect(elsewhere.locator("#body")).to_have_value("not sent yet")


def test_the_profile_works_without_scripts_and_shows_what_is_wrong_where_it_is(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/profile", java_script_enabled=False, expected=("422",))
    page.fill("#current_password", "wrong")
    page.fill("#password", "another fine password")
    page.click("text=Change password")
    expect(page.locator("#new-password .field-error")).to_have_text("This is not your current password.")
    expect(page.locator("#new-password .field-error")).to_be_in_viewport()
    page.fill("#name", "Alice Abbot")
    page.click("text=Change name")
    expect(page.locator("#about .saved")).to_be_in_viewport()
    expect(page.locator(".who")).to_contain_text("Alice Abbot")
