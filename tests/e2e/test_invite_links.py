"""A room's invite link, from the manager's page to a newcomer's."""

import pytest
from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import PASSWORD, Person


@pytest.mark.parametrize("with_javascript", [True, False])
def test_a_manager_makes_a_link_and_a_newcomer_follows_it(
    alice: Person, bob: Person, windows: Windows, with_javascript: bool
) -> None:
    board = alice.create_room("Board", "closed")
    hers = windows.open_as(alice, f"/rooms/{board}/members", java_script_enabled=with_javascript)
    hers.click("text=Invite link and QR code")
    hers.select_option("#days", "1")
    hers.click("button:has-text('Make a link')")
    link = hers.locator("#invite-url").input_value()
    expect(hers.locator(".qr")).to_be_visible()
    if with_javascript:
        assert hers.locator(".qr").evaluate("async image => (await image.decode(), image.naturalWidth)") > 100
        hers.context.grant_permissions(["clipboard-read", "clipboard-write"])
        hers.click("text=Copy")
        expect(hers.locator("[data-copy]")).to_have_text("Copied")
        assert hers.evaluate("navigator.clipboard.readText()") == link
    watching = windows.open_as(alice, f"/rooms/{board}")
    his = windows.open_as(bob, link.removeprefix(alice.server.url), java_script_enabled=with_javascript)
    his.click("text=Join Board")
    expect(his.locator("h1")).to_contain_text("Board")
    if with_javascript:
        expect(watching.locator("#online")).to_contain_text("Bob")
        expect(watching.locator("#room-header .with-text")).to_contain_text("2")
    newcomer = windows.open(java_script_enabled=with_javascript)
    newcomer.goto(link)
    newcomer.click("text=Sign up and join")
    newcomer.fill("#name", "Carol")
    newcomer.fill("#email", "carol@example.org")
    newcomer.fill("#password", PASSWORD)
    newcomer.click("button")
    expect(newcomer.locator("h1")).to_contain_text("Board")
    expect(watching.locator("#member-count")).to_contain_text("3")
