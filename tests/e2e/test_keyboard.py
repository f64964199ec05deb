"""The chat without a mouse: every control is reached, and every action leaves the focus in place."""

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.support.browsers import DESKTOP, PHONE, Windows
from tests.support.people import PASSWORD, Person

# Arrow keys choose among radio buttons of a name; `<dialog>`s are closed.
REACHABLE = """() => {
    const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled;
    const isStop = (each) => each.tabIndex >= 0 || each.closest("#messages");
    const found = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")];
    const first = (each) => each.type !== "radio" || (each.form.querySelector(`[name="${each.name}"]:checked`) ??
        each.form.querySelector(`[name="${each.name}"]`)) === each;
    window.unreached = new Set(found.filter((each) => isShown(each) && first(each) && isStop(each)));
    return window.unreached.size;
}"""
PAGES = """
    /rooms/1 /rooms/1/settings /rooms/1/members /rooms/1/pinned /rooms/1/files /rooms/1/invite /rooms/1/delete
    /rooms /rooms/new /people /people/2 /direct/new
    /mentions /search?q=hello /profile /status /admin /admin/state /help /switch
"""
REACHED = "() => { unreached.delete(document.activeElement); return document.activeElement === document.body; }"
LEFT = "() => [...unreached].map((each) => each.outerHTML.slice(0, 200))"


def menu(page: Page, message_id: int) -> Locator:
    """Open a message's menu with the keyboard."""
    page.locator(f"#m-{message_id}").focus()
    page.keyboard.press("Enter")
    opened = page.locator("#menu")
    expect(opened.locator(".action:visible").first).to_be_focused()
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
        # Within the list of messages, the arrows lead on.
        for row in page.locator("#messages .message").all():
            row.focus()
            for _ in range(row.locator("a, button").count() + 1):
                page.evaluate(REACHED)
                page.keyboard.press("ArrowRight")
        assert page.evaluate(LEFT) == [], path


def test_every_action_on_a_message_leaves_the_focus_there(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(3):
        alice.post(1, f"hers {number}")
        bob.post(1, f"his {number}")
    page = windows.open_as(alice, "/rooms/1")
    more, opened, reaction = page.locator("#bar .more"), page.locator("#menu"), page.locator("#m-2 .reaction")
    menu(page, 2)
    page.keyboard.press("Escape")
    expect(page.locator("#m-2")).to_be_focused()
    expect(opened).to_be_hidden()
    page.keyboard.press("Tab")
    expect(page.locator("#bar button").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(reaction).to_have_count(1)
    expect(page.locator("#bar button").first).to_be_focused()
    reaction.focus()
    bob.submit("/messages/2/reactions", {"emoji": "🎉"})
    expect(reaction).to_have_count(2)
    expect(reaction.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(reaction).to_have_count(1)
    expect(page.locator("#m-2")).to_be_focused()
    press(page, page.locator("#bar .react"))
    expect(opened.locator("input")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#bar .react")).to_be_focused()
    for words in ("Pin", "Unpin", "Mark unread from here"):
        press(page, menu(page, 2).get_by_text(words, exact=True))
        expect(opened).to_be_hidden()
        expect(page.locator("#m-2 .pinned")).to_have_count(int(words == "Pin"))
        expect(page.locator("#m-2")).to_be_focused()
    press(page, page.locator("#bar .reply"))
    expect(page.locator("#body")).to_be_focused()
    expect(page.locator("#replying")).to_contain_text("Replying to Bob Brown")
    page.keyboard.press("Escape")
    expect(page.locator("#replying")).to_be_hidden()
    press(page, menu(page, 3).get_by_text("Edit", exact=True))
    expect(page.locator("#m-3 textarea")).to_be_focused()
    page.keyboard.type("not ")
    page.keyboard.press("Enter")
    expect(page.locator("#m-3 .body")).to_have_text("not hers 1 (edited)")
    expect(page.locator("#body")).to_be_focused()
    page.locator("#m-3").focus()
    press(page, more)
    expect(opened.get_by_text("Copy text")).to_be_focused()
    for _ in range(9):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".confirm:popover-open >> text=Cancel")).to_be_focused()
    press(page, page.locator(".confirm:popover-open .button-danger"))
    expect(page.locator("#m-3 .body")).to_have_text("This message was deleted.")
    expect(page.locator("#m-3")).to_be_focused()


def test_the_list_of_messages_is_one_tab_stop_with_arrows_inside(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(50):
        bob.post(1, f"number {number}, see https://example.org/{number}")
    alice.delete(49)
    page = windows.open_as(alice, "/rooms/1")
    box = page.locator("#body")
    expect(box).to_be_focused()
    assert page.locator("#messages [tabindex='0']").count() == 1
    for _ in range(2):
        page.keyboard.press("Shift+Tab")
    for message_id in (50, 49, 48):
        expect(page.locator(f"#m-{message_id}")).to_be_focused()
        page.keyboard.press("ArrowUp")
    expect(page.locator("#bar")).to_be_in_viewport()
    for place in (".author", ".permalink", ".body a"):
        page.keyboard.press("ArrowRight")
        expect(page.locator("#m-47").locator(place)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#bar button").first).to_be_focused()
    bob.edit(47, "number 46, edited")
    expect(page.locator("#m-47 .body")).to_contain_text("edited")
    expect(page.locator("#bar button").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#m-46")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.closest('#messages')") is None
    page.keyboard.press("Tab")
    expect(page.locator("#m-46")).to_be_focused()
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    expect(box).to_be_focused()
    bob.post(1, "one more")
    expect(page.locator("#m-51")).to_have_attribute("tabindex", "0")
    assert page.locator("#messages [tabindex='0']").count() == 1


def test_page_up_in_the_box_scrolls_the_messages(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(50):
        bob.post(1, f"line {number}")
    alice.submit("/rooms/1/read", {"position": 50})
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#body")
    page.keyboard.press("PageUp")
    expect(page.locator("#m-50")).not_to_be_in_viewport()
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.press("PageDown")
    expect(page.locator("#m-50")).to_be_in_viewport()
    page.fill("#body", "long\n" * 80)
    page.keyboard.press("PageUp")
    expect(page.locator("#m-50")).to_be_in_viewport()


def test_jumping_to_the_latest_focuses_the_box(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(60):
        bob.post(1, f"line {number}")
    alice.submit("/rooms/1/read", {"position": 60})
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#scroller")
    page.keyboard.press("Home")
    expect(page.locator("#m-1")).to_be_attached()
    expect(page.locator("#scroller")).to_be_focused()
    page.focus("#body")
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
