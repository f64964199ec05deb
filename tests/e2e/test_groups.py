"""Choosing people for a group conversation."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import Person


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_chosen_people_stay_chosen_during_a_search(
    alice: Person, bob: Person, carol: Person, windows: Windows, java_script_enabled: bool
) -> None:
    page = windows.open_as(alice, "/direct/new", java_script_enabled=java_script_enabled)
    page.check("text=Bob Brown")
    page.fill("#q", "carol")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"[?&]q=carol"))
    expect(page.locator("label:has-text('Bob Brown') input")).to_be_checked()
    page.check("text=Carol Clark")
    page.click("text=Start the conversation")
    expect(page.locator("h1")).to_contain_text("Bob Brown, Carol Clark")
