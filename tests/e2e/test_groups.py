"""Choosing people for a group conversation."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import Person, sign_up


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


def test_members_name_their_group_and_begin_a_larger_one(
    alice: Person, bob: Person, carol: Person, windows: Windows
) -> None:
    dora, group = sign_up(alice.server, "Dora Dean"), alice.open_direct(bob, carol)
    alice.post(group, "just the three of us")
    hers = windows.open_as(carol, f"/rooms/{group}")
    page = windows.open_as(alice, f"/rooms/{group}/settings")
    expect(page.locator("#name")).to_have_value("")
    page.fill("#name", "Cake committee")
    page.click("section:has-text('Everybody in the group') >> text=Save")
    for each in (page, hers):
        expect(each.locator("h1")).to_contain_text("Cake committee")
        expect(each.locator(f"nav a[data-room='{group}'] .one-line")).to_have_text("Cake committee")
    assert "Cake committee" in bob.get("/switch?q=cake").text
    bob.submit(f"/rooms/{group}/name", {"name": " "})
    expect(hers.locator("h1")).to_contain_text("Alice Adams, Bob Brown")
    assert bob.submit(f"/rooms/{group}/name", {"name": "x" * 81}).status_code == 422
    pair = alice.open_direct(bob)
    assert alice.submit(f"/rooms/{pair}/name", {"name": "Us"}).status_code == 403
    page.goto(f"{alice.server.url}/rooms/{group}/settings")
    page.click("text=Add people")
    for name in ("Bob Brown", "Carol Clark"):
        expect(page.locator(f"label:has-text('{name}') input")).to_be_checked()
    page.check("text=Dora Dean")
    page.click("text=Start the conversation")
    expect(page.locator("h1")).to_contain_text("Bob Brown, Carol Clark, Dora Dean")
    assert alice.open_direct(bob, carol, dora) not in (group, pair)
    assert "just the three of us" not in page.locator("main").inner_text()


def test_a_member_leaves_a_group_and_comes_back_with_the_same_people(
    alice: Person, bob: Person, carol: Person, windows: Windows
) -> None:
    group, pair = alice.open_direct(bob, carol), alice.open_direct(bob)
    alice.post(group, "hello, you two")
    hers = windows.open_as(carol, f"/rooms/{group}")
    page, other = (windows.open_as(bob, path) for path in (f"/rooms/{group}/settings", f"/rooms/{group}"))
    page.click("text=Leave the group")
    page.click(".confirm:popover-open .button-danger")
    expect(page).not_to_have_url(re.compile("settings"))
    expect(page.locator(f"nav a[data-room='{group}']")).to_have_count(0)
    expect(other.locator("#notice")).to_contain_text("You are no longer in this room")
    expect(hers.locator("h1")).to_have_text(re.compile("Alice Adams$"))
    expect(hers.locator(f"nav a[data-room='{group}'] .one-line")).to_have_text("Alice Adams")
    assert bob.get(f"/rooms/{group}").status_code == 404
    assert bob.post(group, "still here?").status_code == 404
    assert carol.submit(f"/rooms/{group}/leave").status_code == 403, "two are left"
    assert alice.submit(f"/rooms/{pair}/leave").status_code == 403
    assert carol.open_direct(alice) != group, "a group of two is no conversation of two"
    assert carol.open_direct(alice, bob) == group
    expect(hers.locator("h1")).to_contain_text("Alice Adams, Bob Brown")
    assert bob.reads(group) == ["hello, you two"]
    for _ in range(2):
        assert bob.submit(f"/rooms/{group}/leave").status_code in (303, 404)
