"""Presence, typing and status, seen by another member."""

from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from tests.support.browsers import Windows, hide
from tests.support.databases import query
from tests.support.people import Person


def dot(page: Page, face: str) -> str:
    """The look of an avatar's dot: none, filled, a ring, or a thin ring."""
    content, shadow = page.locator(face).first.evaluate(
        "face => { const look = getComputedStyle(face, '::after'); return [look.content, look.boxShadow]; }"
    )
    if content == "none" or shadow == "none":
        return "none" if content == "none" else "filled"
    return "thin ring" if " 1px inset" in shadow else "ring"


def expect_dot(page: Page, face: str, look: str) -> None:
    for _ in range(100):
        if dot(page, face) == look:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{face} is {dot(page, face)}, not {look}")


def test_avatars_show_presence(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "hello")
    direct = bob.open_direct(alice)
    bob.post(direct, "just you")
    hers = windows.open_as(alice, "/rooms/1")
    link = f"nav [data-with='{bob.id}']"
    expect_dot(hers, f"{link} .avatar", "thin ring")
    his = windows.open_as(bob, "/rooms/1")
    expect_dot(hers, f"{link} .avatar", "filled")
    assert dot(hers, "#m-1 .avatar") == "none", "faces of messages show no presence"
    expect_dot(hers, f"#online [data-person='{bob.id}']", "filled")
    # Away from his desk for so long that a new connection does not count as use.
    his.evaluate("{ const now = performance.now.bind(performance); performance.now = () => now() + 301_000; }")
    bob.submit("/status", {"emoji": "🌴", "text": "On holiday", "until": "always"})
    expect(hers.locator(f"{link} .one-line")).to_have_text("Bob Brown")
    for _ in range(100):
        name = hers.locator(f"{link} .one-line").evaluate("name => getComputedStyle(name, '::after').content")
        if "🌴" in name:
            break
        hers.wait_for_timeout(100)
    assert "🌴" in name
    his.close()
    expect_dot(hers, f"{link} .avatar", "thin ring")
    hers.goto(f"{alice.server.url}/people/{bob.id}")
    expect(hers.locator("main")).to_contain_text("Offline · 🌴 On holiday")
    windows.open_as(bob, "/rooms/1")
    expect(hers.locator("main")).to_contain_text("Online · 🌴 On holiday")
    bob.post(1, "what about you, @Alice Adams?")
    bob.submit("/messages/1/pin", {"pinned": "yes"})
    for path in ("/mentions", "/rooms/1/pinned", "/search?q=you"):
        hers.goto(alice.server.url + path)
        expect_dot(hers, ".where .avatar", "filled")


def test_a_member_with_an_unused_page_is_shown_as_idle(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(bob.open_direct(alice), "just you")
    hers = windows.open_as(alice, "/rooms/1")
    his = windows.open_as(bob, "/rooms/1", is_behind=True)
    expect(hers.locator("#online")).to_contain_text("Bob")
    face = f"nav [data-with='{bob.id}'] .avatar"
    expect_dot(hers, face, "ring")
    hide(his, False)
    his.mouse.move(10, 10)
    expect_dot(hers, face, "filled")


def test_readers_see_others_typing_but_never_themselves(alice: Person, bob: Person, windows: Windows) -> None:
    hers, his = windows.open_as(alice, "/rooms/1"), windows.open_as(bob, "/rooms/1")
    for page in (hers, his):
        expect(page.locator("#online")).to_contain_text("Bob Brown")
        expect(page.locator("#online")).to_contain_text("Alice Adams")
    his.locator("#body").press_sequentially("hello", delay=20)
    expect(hers.locator("#typing")).to_have_text("Bob Brown")
    assert hers.evaluate("getComputedStyle(typists, '::after').content") == '" is typing…"'
    expect(his.locator("#typing")).to_have_text("")
    his.keyboard.press("Enter")
    expect(hers.locator("#messages")).to_contain_text("hello")
    expect(hers.locator("#typing")).to_have_text("")
    # Bob's own message makes his typing show again sooner.
    expect(his.locator("#messages")).to_contain_text("hello")
    his.keyboard.type("and")
    expect(hers.locator("#typing")).to_have_text("Bob Brown")
    his.keyboard.press("Enter")
    expect(hers.locator("#messages")).to_contain_text("and")
    hers.locator("#body").press_sequentially("/topic secret", delay=5)
    his.wait_for_timeout(500)
    assert his.locator("#typing").inner_text() == ""
    hers.locator("#body").fill("and then")
    expect(his.locator("#typing")).to_have_text("Alice Adams")
    expect(his.locator("#typing")).to_have_text("")


def test_a_member_sets_a_status_with_and_without_javascript(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.click("text=Set a status")
    page.click("text=In a meeting")
    expect(page.locator("nav .status")).to_contain_text("📅 In a meeting")
    expect(page.locator("main")).to_contain_text("until")
    plain = windows.open_as(alice, "/status", java_script_enabled=False)
    plain.fill("#emoji", ":palm_tree:")
    plain.fill("#text", "On holiday")
    plain.select_option("#until", "always")
    plain.click("text=Save")
    expect(plain.locator("nav .status")).to_contain_text("🌴 On holiday")
    expect(page.locator("nav .status")).to_contain_text("🌴 On holiday")
    plain.click("text=Clear")
    expect(plain.locator("nav .status")).to_have_text("Set a status")


def test_a_status_for_today_ends_at_the_browsers_midnight(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/status", timezone_id="Pacific/Kiritimati")
    page.click("text=Working from home")
    expect(page.locator("main")).to_contain_text("until")
    until = query(alice.server.database_url, "SELECT status_until FROM users WHERE id = $1", alice.id)[0][0]
    there = until.astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert (there.hour, there.minute) in ((0, 0), (23, 59))
