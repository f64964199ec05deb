"""The chat without a mouse: every control is reached, and every action leaves the focus in place."""

import re

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.support.browsers import DESKTOP, PHONE, Windows
from tests.support.people import PASSWORD, Person

# Arrow keys choose among radio buttons of a name; `<dialog>`s are closed.
REACHABLE = """() => {
    const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled;
    const found = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")];
    const first = (each) => each.type !== "radio" || (each.form.querySelector(`[name="${each.name}"]:checked`) ??
        each.form.querySelector(`[name="${each.name}"]`)) === each;
    window.unreached = new Set(found.filter((each) => isShown(each) && first(each) && each.tabIndex >= 0));
    return window.unreached.size;
}"""
PAGES = """
    /rooms/1 /rooms/1/settings /rooms/1/members /rooms/1/pinned /rooms/1/invite /rooms/1/delete /rooms /rooms/new
    /people /people/2 /direct/new /mentions /search?q=hello /profile /status /admin /help /switch
"""
REACHED = "() => { unreached.delete(document.activeElement); return document.activeElement === document.body; }"
LEFT = "() => [...unreached].map((each) => each.outerHTML.slice(0, 200))"


def menu(page: Page, message_id: int) -> Locator:
    """Open a message's menu."""
    page.locator(f"#m-{message_id} .more").focus()
    page.keyboard.press("Enter")
    opened = page.locator(f"#m-{message_id} .message-actions")
    expect(opened.locator("[autofocus]")).to_be_focused()
    return opened


def press(page: Page, control: Locator) -> None:
    """Tab to a control and press it."""
    for _ in range(30):
        if control.evaluate("element => element === document.activeElement"):
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError("It is not reached")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_tab_reaches_every_visible_control(
    alice: Person, bob: Person, windows: Windows, viewport: ViewportSize
) -> None:
    for text in ("hello", "what about you, @Bob Brown?"):
        alice.post(1, text)
    bob.submit("/messages/1/reactions", {"emoji": "🎉"})
    alice.submit("/messages/1/pin", {"pinned": "yes"})
    page = windows.open_as(alice, "/rooms/1", viewport=viewport)
    for path in PAGES.split():
        answer = page.goto(alice.server.url + path)
        assert answer, path
        assert answer.ok, path
        page.evaluate("document.activeElement.blur()")
        for _ in range(page.evaluate(REACHABLE) + 8):
            page.keyboard.press("Tab")
            page.evaluate(REACHED)
        assert page.evaluate(LEFT) == [], path


def test_every_action_on_a_message_leaves_the_focus_there(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(3):
        alice.post(1, f"hers {number}")
        bob.post(1, f"his {number}")
    page = windows.open_as(alice, "/rooms/1")
    more = page.locator("#m-2 .more")
    opened = menu(page, 2)
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    expect(opened).to_have_count(0)
    opened = menu(page, 2)
    page.keyboard.press("Enter")
    reaction = page.locator("#m-2 .reaction")
    expect(reaction).to_be_focused()
    bob.submit("/messages/2/reactions", {"emoji": "🎉"})
    expect(reaction).to_have_count(2)
    expect(reaction.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(reaction).to_have_count(1)
    expect(more).to_be_focused()
    press(page, menu(page, 2).get_by_title("Another emoji"))
    expect(opened.locator("input")).to_be_focused()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    for words in ("Pin", "Unpin", "Mark unread from here"):
        press(page, menu(page, 2).get_by_text(words, exact=True))
        expect(opened).to_have_count(0)
        expect(more).to_be_focused()
    press(page, menu(page, 2).locator("text=Reply"))
    expect(page.locator("#body")).to_be_focused()
    expect(page.locator("#body")).to_have_value(re.compile(r"^> "))
    press(page, menu(page, 3).locator("text=Edit"))
    expect(page.locator("#m-3 textarea")).to_be_focused()
    expect(page.locator("#m-3 .message-actions")).to_have_count(0)
    page.keyboard.type("not ")
    page.keyboard.press("Enter")
    expect(page.locator("#m-3 .body")).to_have_text("not hers 1 (edited)")
    expect(page.locator("#body")).to_be_focused()
    press(page, menu(page, 3).locator("text=Delete"))
    expect(page.locator("#confirm >> text=Cancel")).to_be_focused()
    press(page, page.locator("#confirm button[value=yes]"))
    expect(page.locator("#m-3 .body")).to_have_text("This message was deleted.")
    expect(page.locator("#m-3 .permalink")).to_be_focused()


def test_arrow_keys_move_between_messages_and_back_to_the_box(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(4):
        bob.post(1, f"his {number}")
    alice.delete(2)
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#body")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Shift+Tab")
    for message_id in (4, 3, 1):
        expect(page.locator(f"#m-{message_id} .more")).to_be_focused()
        page.keyboard.press("ArrowUp")
    expect(page.locator("#m-1 .more")).to_be_focused()
    for message_id in (3, 4):
        page.keyboard.press("ArrowDown")
        expect(page.locator(f"#m-{message_id} .more")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#body")).to_be_focused()


def test_jumping_to_the_latest_focuses_the_box(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(60):
        bob.post(1, f"line {number}")
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#scroller")
    page.keyboard.press("Home")
    expect(page.locator("#m-1")).to_be_attached()
    expect(page.locator("#scroller")).to_be_focused()
    page.focus("#body")
    for _ in range(2):
        page.keyboard.press("Shift+Tab")
    expect(page.locator("#jump")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#body")).to_be_focused()
    expect(page.locator("#m-60")).to_be_in_viewport()


def test_loading_messages_leaves_the_focus_in_the_history(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(120):
        bob.post(1, f"line {number}")
    page = windows.open_as(alice, "/rooms/1?after=20")
    expect(page.locator("#newer a")).to_be_attached()
    page.focus("#newer a")
    page.keyboard.press("Enter")
    expect(page.locator("#m-110")).to_be_attached()
    assert page.evaluate("document.getElementById('scroller').contains(document.activeElement)")


def test_a_refused_form_focuses_its_first_wrong_field(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/profile", expected=("422",))
    page.fill("#current_password", PASSWORD)
    page.fill("#password", "short")
    page.keyboard.press("Enter")
    expect(page.locator("#password")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#password")).to_be_focused()
    page.goto(f"{alice.server.url}/rooms/new")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type("Lobby")
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#name")).to_be_focused()
