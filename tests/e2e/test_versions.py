"""Changes of a message arrive by answer and by socket, and never disturb an editor or menu."""

from playwright.sync_api import Page, expect

from tests.support.browsers import Windows, choose, open_menu, wait_until
from tests.support.people import Person

HOLD = """
    path => {
        const send = window.fetch, held = (window.onTheirWay ??= {})[path] = [];
        window.fetch = async (...given) => {
            const answer = await send(...given);
            if (new URL(answer.url).pathname === path) await new Promise((proceed) => held.push(proceed));
            return answer;
        };
    }
"""


class Delayed:
    """The server's answers, held back from the page until they are let through."""

    def __init__(self, page: Page, path: str) -> None:
        self._page, self._path = page, path
        page.evaluate(HOLD, path)

    def wait(self) -> None:
        """Wait until there is an answer."""
        wait_until(lambda: bool(self._page.evaluate("path => onTheirWay[path].length", self._path)), self._page)

    def let_through(self) -> None:
        self.wait()
        self._page.evaluate("path => { for (const proceed of onTheirWay[path].splice(0)) proceed(); }", self._path)


def test_a_late_answer_does_not_undo_a_newer_change(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    bob.submit("/messages/1/reactions", {"emoji": "👍"})
    page = windows.open_as(alice, "/rooms/1")
    answers = Delayed(page, "/messages/1/reactions")
    page.click("#m-1 .reaction")
    answers.wait()
    bob.submit("/messages/1/reactions", {"emoji": "🎉"})
    expect(page.locator("#m-1 .reaction")).to_have_count(2)
    answers.let_through()
    page.wait_for_timeout(300)
    expect(page.locator("#m-1 .reaction")).to_have_count(2)
    expect(page.locator("#m-1 .reaction").first).to_contain_text("👍 2")


def test_reactions_wait_until_an_author_finishes_editing(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "helo")
    alice.post(1, "another")
    page = windows.open_as(alice, "/rooms/1")
    choose(page, 1, "Edit")
    expect(page.locator("#m-1 textarea")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("l")
    bob.submit("/messages/1/reactions", {"emoji": "🎉"})
    bob.submit("/messages/2/reactions", {"emoji": "🎉"})
    expect(page.locator("#m-2 .reaction")).to_have_count(1)
    expect(page.locator("#m-1 textarea")).to_be_focused()
    page.keyboard.type("l")
    page.keyboard.press("Backspace")
    expect(page.locator("#m-1 textarea")).to_have_value("hello")
    answers = Delayed(page, "/messages/1/edit")
    page.keyboard.press("Enter")
    answers.wait()
    bob.submit("/messages/1/reactions", {"emoji": "👍"})
    bob.submit("/messages/2/reactions", {"emoji": "👍"})
    expect(page.locator("#m-2 .reaction")).to_have_count(2)
    answers.let_through()
    expect(page.locator("#m-1 .body")).to_have_text("hello (edited)")
    expect(page.locator("#m-1 .reaction")).to_have_count(2)


def test_an_editor_keeps_its_text_over_a_reload_and_a_deletion(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "first")
    page = windows.open_as(bob, "/rooms/1", expected=("404",))
    choose(page, 1, "Edit")
    page.fill("#m-1 textarea", "much better")
    page.reload()
    choose(page, 1, "Edit")
    expect(page.locator("#m-1 textarea")).to_have_value("much better")
    alice.delete(1)
    alice.post(1, "sorry")
    expect(page.locator("#m-2")).to_be_visible()
    page.click("text=Save")
    expect(page.locator("#notice")).to_contain_text("There is nothing here")
    expect(page.locator("#m-1 textarea")).to_have_value("much better")
    page.click(".editor-buttons >> text=Cancel")
    expect(page.locator("#m-1 .body")).to_have_text("This message was deleted.")


def test_a_cancelled_edit_is_forgotten(alice: Person, windows: Windows) -> None:
    alice.post(1, "first")
    page = windows.open_as(alice, "/rooms/1")
    for typed in ("second", None):
        choose(page, 1, "Edit")
        if typed:
            page.fill("#m-1 textarea", typed)
            page.keyboard.press("Escape")
            expect(page.locator("#m-1 textarea")).to_have_count(0)
    expect(page.locator("#m-1 textarea")).to_have_value("first")


def test_a_menu_stays_open_while_other_members_react(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    page = windows.open_as(alice, "/rooms/1")
    menu = open_menu(page, 1)
    bob.submit("/messages/1/reactions", {"emoji": "🎉"})
    expect(page.locator("#m-1 .reaction")).to_have_count(1)
    menu.get_by_text("Pin").click()
    expect(page.locator("#m-1 .pinned")).to_be_visible()
    expect(menu).to_be_hidden()


def test_a_late_list_of_rooms_loses_neither_news_nor_input(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    page = windows.open_as(bob, "/rooms/1")
    lists = Delayed(page, "/sidebar")
    hall = alice.create_room("Hall")
    bob.join(hall)
    lists.wait()
    page.fill(".sidebar-search input", "something typed")
    alice.post(garden, "what about you, @Bob Brown?")
    badge = page.locator("nav a:has-text('Garden') .badge.mentioned .number")
    expect(badge).to_have_text("1")
    lists.let_through()
    expect(page.locator("nav a:has-text('Hall')")).to_be_visible()
    page.wait_for_timeout(100)
    expect(badge).to_have_text("1")
    expect(page.locator(".sidebar-search input")).to_be_focused()
    expect(page.locator(".sidebar-search input")).to_have_value("something typed")
