"""Pinning, seen on open pages and by returning readers."""

from playwright.sync_api import expect

from tests.support.browsers import LOST_SERVER, Windows, choose
from tests.support.people import Person


def test_open_pages_show_a_pinned_message(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "the wifi is called Willow")
    direct = alice.open_direct(bob)
    for room_id in (1, direct):
        if room_id == direct:
            alice.post(direct, "my number is 4711")
        hers, his = windows.open_as(alice, f"/rooms/{room_id}"), windows.open_as(bob, f"/rooms/{room_id}")
        choose(his, 1 if room_id == 1 else 2, "Pin")
        for page in (hers, his):
            expect(page.locator(".message .pinned")).to_be_visible()
            expect(page.locator("#pinned")).to_contain_text("1")
            expect(page.locator("#menu")).to_be_hidden()
        hers.click("#pinned")
        expect(hers.locator(".extract")).to_have_count(1)
        hers.click("text=Unpin")
        expect(hers.locator(".empty-state")).to_contain_text("Nothing is pinned here yet")
        expect(his.locator("#pinned")).to_have_count(0)
        expect(his.locator(".message .pinned")).to_have_count(0)


def test_a_returning_reader_sees_a_pinned_message(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "the wifi is called Willow")
    his = windows.open_as(bob, "/rooms/1", expected=LOST_SERVER)
    his.context.set_offline(True)
    his.evaluate("document.getElementById('live')._htmx.ws.connection.socket.close()")
    alice.submit("/messages/1/pin", {"pinned": "yes"})
    his.context.set_offline(False)
    expect(his.locator(".message .pinned")).to_be_visible(timeout=15_000)
    expect(his.locator("#pinned")).to_contain_text("1")


def test_a_member_pins_a_message_without_javascript(alice: Person, windows: Windows) -> None:
    alice.post(1, "the wifi is called Willow")
    page = windows.open_as(alice, "/messages/1/actions", java_script_enabled=False)
    page.click(".message-actions >> text=Pin")
    expect(page.locator(".message .pinned")).to_be_visible()
    page.click("#pinned")
    page.click("text=Unpin")
    expect(page.locator(".empty-state")).to_be_visible()
