"""The room switcher, used with the keyboard."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.browsers import Windows, wait_until
from tests.support.people import Person, sign_up


def test_a_member_switches_to_a_room_or_person_by_name(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    garden = alice.create_room("Garden")
    hers = bob.create_room("Gallery")
    cellar = bob.create_room("Gambling", "closed")
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.type("unsent")
    page.keyboard.press("Control+k")
    query = page.locator("#switcher input")
    expect(query).to_be_focused()
    options = page.locator("#destinations [role=option]")
    expect(options).to_have_count(2)
    page.keyboard.type("ga")
    expect(options).to_contain_text(["Garden", "Gallery", "Search messages for “ga”"])
    expect(options.nth(1)).to_contain_text("not joined")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{alice.server.url}/rooms/{garden}")
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.type("bob")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/rooms/\d+$"))
    expect(page.locator("h1")).to_contain_text("Bob Brown")
    direct = alice.open_direct(bob)
    assert page.url == f"{alice.server.url}/rooms/{direct}"
    alice.post(direct, "hi")
    page.keyboard.press("Meta+k")
    page.keyboard.type("brown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{alice.server.url}/rooms/{direct}")
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator("#body")).to_be_focused()
    expect(page.locator("#body")).to_have_value("unsent")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Control+k")
    page.keyboard.type("no such thing")
    expect(page.locator("#destinations")).to_contain_text("no such thing")
    page.keyboard.press("Escape")
    expect(page.locator("#switcher")).to_be_hidden()
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.type("no such thing")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{alice.server.url}/search?q=no%20such%20thing")
    for text in ("Gambling", f"/rooms/{cellar}"):
        assert text not in alice.get("/switch?q=gam").text
    assert f"/rooms/{hers}" in alice.get("/switch?q=GAL").text


def test_the_switcher_lists_unread_rooms_first(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    zoo = alice.create_room("Zoo")
    bob.join(zoo)
    bob.post(zoo, "roar")
    page = windows.open_as(alice, "/people")
    page.click("#switch")
    expect(page.locator("#destinations [role=option]").first).to_have_text(re.compile(r"Zoo\s+1 new"))
    page.mouse.click(5, 5)
    expect(page.locator("#switcher")).to_be_hidden()
    alice.submit("/rooms", {"name": "x" * 80, "kind": "open"})
    page.click("#switch")
    page.keyboard.type("x")
    expect(page.locator("#destinations")).to_contain_text("xxx")
    assert page.evaluate("switcher.scrollWidth <= switcher.clientWidth"), "a long name is cut"
    plain = windows.open_as(alice, "/people", java_script_enabled=False)
    plain.click("#switch")
    plain.fill("main input[name=q]", "zo")
    plain.keyboard.press("Enter")
    plain.click("main >> text=Zoo")
    expect(plain.locator("h1")).to_contain_text("Zoo")
    plain.goto(f"{alice.server.url}/switch?q=bob")
    plain.click("main >> text=Bob Brown")
    expect(plain.locator("h1")).to_contain_text("Bob Brown")
    assert alice.get("/switch?q=bob").text.count(">Bob Brown<") == 2, "once in the list and once in the sidebar"


def test_a_question_mark_shows_the_shortcuts_except_while_typing(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#body")
    page.keyboard.type("what?")
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.locator("#scroller").focus()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_contain_text("Edit your last message")
    expect(page.locator("#shortcuts button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#shortcuts")).to_be_hidden()


def test_typing_on_after_enter_cancels_the_switch(alice: Person, windows: Windows) -> None:
    alice.create_room("Garden")
    page = windows.open_as(alice, "/rooms/1")
    held: list[Callable[[], None]] = []
    page.route("**/switch?q=g*", lambda route: held.append(route.continue_))
    page.keyboard.press("Control+k")
    page.keyboard.type("ga")
    wait_until(lambda: bool(held), page)
    page.keyboard.press("Enter")
    page.keyboard.type("r")
    wait_until(lambda: len(held) > 1, page)
    held.pop()()
    expect(page.locator("#destinations [role=option]").first).to_contain_text("Garden")
    page.wait_for_timeout(300)
    expect(page.locator("#switcher")).to_be_visible()
    assert page.url == f"{alice.server.url}/rooms/1"
