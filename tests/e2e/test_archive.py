"""Archiving, restoring and deleting a room under open pages."""

import pytest
from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import Person


def test_open_pages_show_a_room_archived_and_restored(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "the last word")
    his, hers = windows.open_as(bob, "/rooms/1"), windows.open_as(alice, "/rooms/1/settings")
    his.fill("#body", "almost said")
    hers.click("text=Archive Lobby")
    expect(his.locator("#writing")).to_contain_text("This room is archived")
    expect(his.locator("#room-header")).to_contain_text("Archived")
    expect(his.locator("#sidebar")).not_to_contain_text("Lobby")
    expect(his.locator(".message")).to_contain_text("the last word")
    hers.click("text=Restore")
    expect(his.locator("#body")).to_have_value("almost said")
    expect(his.locator("#pick")).to_be_visible()
    expect(his.locator("#sidebar")).to_contain_text("Lobby")
    his.press("#body", "Enter")
    expect(hers.locator(".message").last).to_contain_text("almost said")


@pytest.mark.parametrize("with_javascript", [True, False])
def test_deleting_a_room_closes_its_open_pages(
    alice: Person, bob: Person, windows: Windows, with_javascript: bool
) -> None:
    his = windows.open_as(bob, "/rooms/1")
    hers = windows.open_as(alice, "/rooms/1/settings", java_script_enabled=with_javascript, expected=("422",))
    hers.click("text=Delete Lobby")
    hers.fill("#name", "Cellar")
    hers.click("text=Delete the room for everybody")
    expect(hers.locator(".field-error")).to_contain_text("Type “Lobby” to delete it.")
    expect(his.locator("#notice")).to_be_empty()
    hers.fill("#name", "lobby")
    hers.click("text=Delete the room for everybody")
    expect(his.locator("#notice")).to_contain_text("Lobby was deleted")
    expect(his.locator("#sidebar")).not_to_contain_text("Lobby")
    expect(hers.locator("#sidebar")).not_to_contain_text("Lobby")


def test_the_page_that_deletes_a_room_waits_for_the_answer(bob: Person, windows: Windows) -> None:
    room_id = bob.create_room("Party")
    page = windows.open_as(bob, f"/rooms/{room_id}/delete")
    broken_off: list[str] = []
    page.on("requestfailed", lambda request: broken_off.append(request.url))
    # Delays answers, but not frames of the socket.
    slowly = {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slowly)
    page.fill("#name", "Party")
    page.click("text=Delete the room for everybody")
    expect(page.locator("#sidebar")).not_to_contain_text("Party")
    assert not [url for url in broken_off if url.endswith("/delete")]
