"""Editing and deleting in the browser, seen by another reader."""

from playwright.sync_api import expect

from tests.support.browsers import PHONE, Windows, accessibility_violations, choose, open_menu
from tests.support.people import Person, sign_up


def test_edits_and_deletions_show_on_open_pages_at_once(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    alice.post(1, "Helo everybody")
    bob.post(1, "Hi")
    hers, his = windows.open_as(alice, "/rooms/1"), windows.open_as(bob, "/rooms/1")
    expect(open_menu(his, 1).get_by_text("Edit", exact=True)).to_have_count(0)
    choose(hers, 1, "Edit")
    expect(hers.locator("#m-1 textarea")).to_be_focused()
    assert accessibility_violations(hers) == []
    hers.fill("#m-1 textarea", "Hello everybody")
    hers.click("text=Save")
    expect(his.locator("#m-1 .body")).to_have_text("Hello everybody (edited)")
    expect(hers.locator("#m-1 .body")).to_have_text("Hello everybody (edited)")
    choose(hers, 1, "Edit")
    hers.click(".editor >> text=Delete")
    expect(hers.locator(".confirm:popover-open")).to_contain_text("Delete this message for everybody?")
    expect(hers.locator(".confirm:popover-open >> text=Cancel")).to_be_focused()
    hers.keyboard.press("Escape")
    expect(hers.locator(".editor-buttons >> text=Delete")).to_be_focused()
    hers.keyboard.press("Enter")
    hers.click(".confirm:popover-open .button-danger")
    for page in (hers, his):
        expect(page.locator("#m-1 .body")).to_have_text("This message was deleted.")
        assert accessibility_violations(page) == []


def test_a_refused_edit_keeps_the_text_and_cancel_the_message(alice: Person, windows: Windows) -> None:
    alice.post(1, "hello")
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, expected=("422",))
    choose(page, 1, "Edit")
    page.fill("#m-1 textarea", "x" * 10_001)
    page.click("text=Save")
    expect(page.locator("#m-1 .field-error")).to_contain_text("10,001 characters")
    expect(page.locator("#m-1 textarea")).to_have_value("x" * 10_001)
    page.click(".editor-buttons >> text=Cancel")
    expect(page.locator("#m-1 .body")).to_have_text("hello")


def test_messages_can_be_edited_and_deleted_without_javascript(alice: Person, windows: Windows) -> None:
    alice.post(1, "hello")
    page = windows.open_as(alice, "/rooms/1", java_script_enabled=False)
    page.hover("#m-1")
    page.click("#m-1 .more")
    page.click("main >> text=Edit")
    page.fill("textarea", "hello again")
    page.click("text=Save")
    expect(page.locator("#m-1 .body")).to_have_text("hello again (edited)")
    page.hover("#m-1")
    page.click("#m-1 .more")
    page.click("text=Delete")
    page.click(".confirm:popover-open .button-danger")
    expect(page.locator("#m-1 .body")).to_have_text("This message was deleted.")


def test_each_question_gets_its_own_answer(alice: Person, bob: Person, carol: Person, windows: Windows) -> None:
    room_id = alice.create_room("Board", "closed")
    for person in (bob, carol):
        alice.submit(f"/rooms/{room_id}/members", {"person": person.id})
    page = windows.open_as(alice, f"/rooms/{room_id}/members")
    page.click("button:has-text('Remove Bob Brown')")
    page.click(".confirm:popover-open >> text=Cancel")
    page.click("button:has-text('Remove Carol Clark')")
    page.click(".confirm:popover-open .button-danger")
    expect(page.locator("button:has-text('Remove Carol Clark')")).to_have_count(0)
    expect(page.locator("button:has-text('Remove Bob Brown')")).to_be_visible()
