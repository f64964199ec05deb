"""Help for authors: completion, emoji, the Up arrow, commands."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import PHONE, Windows, send, unsent, wait_until_live
from tests.support.people import Person, sign_up


def bodies(page: Page) -> list[str]:
    return page.locator("#messages .body").all_inner_texts()


def test_markdown_looks_the_same_to_author_and_reader(alice: Person, bob: Person, windows: Windows) -> None:
    hers, his = windows.open_as(alice, "/rooms/1"), windows.open_as(bob, "/rooms/1")
    send(hers, "**bold** `code`\n> quote\n\n```python\nprint(1)\n```")
    for page in (hers, his):
        written = {"strong": "bold", "p > code": "code", "blockquote": "quote", "pre > code": "print(1)"}
        for element, text in written.items():
            expect(page.locator(f"#m-1 .body {element}")).to_have_text(text)
        assert page.evaluate("getComputedStyle(document.querySelector('.hl-nb')).color") != page.evaluate(
            "getComputedStyle(document.querySelector('#m-1 pre')).color"
        )


def test_the_up_arrow_edits_the_authors_last_message(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    send(page, "frist")
    expect(page.locator("#m-1")).to_be_visible()
    bob.post(1, "hello")
    expect(page.locator("#m-2")).to_be_visible()
    page.focus("#body")
    page.keyboard.press("ArrowUp")
    editor = page.locator("#m-1 textarea")
    expect(editor).to_be_focused()
    page.keyboard.press("Escape")
    expect(editor).to_have_count(0)
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.press("ArrowUp")
    editor.fill("first")
    page.keyboard.press("Enter")
    expect(page.locator("#m-1 .body")).to_have_text("first (edited)")
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.type("more")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".editor")).to_have_count(0)


def test_an_author_completes_a_word_with_the_keyboard(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#body")
    page.keyboard.type("well done :tad")
    choices = page.locator("#completions")
    expect(choices.locator("li").first).to_contain_text("tada")
    expect(choices.locator("[aria-selected=true]")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#body")).to_have_attribute("aria-activedescendant", "completion-1")
    page.keyboard.press("Enter")
    expect(page.locator("#body")).to_have_value("well done 🎉 ")
    expect(choices).to_be_hidden()
    page.keyboard.type("@b")
    expect(choices.locator("li")).to_have_text(["Bob Brown"])
    page.keyboard.press("Tab")
    expect(page.locator("#body")).to_have_value("well done 🎉 @Bob Brown ")
    page.keyboard.type("and :smi")
    expect(choices.locator("li")).to_have_count(8)
    page.keyboard.press("ArrowUp")
    expect(page.locator("#body")).to_have_attribute("aria-activedescendant", "completion-8")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#body")).to_have_attribute("aria-activedescendant", "completion-1")
    page.keyboard.press("Escape")
    expect(choices).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["well done 🎉 @Bob Brown and :smi"])


def test_enter_sends_what_is_typed_beside_a_list_of_completions(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#body")
    for text in ("so :tad", "ok :smi", "@ali"):
        page.keyboard.type(text)
        expect(page.locator("#completions li").first).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#body")).to_have_value("")
    expect(page.locator("#messages .body")).to_have_text(["so :tad", "ok :smi", "@ali"])
    for emoticon in (":DD", ":-p", ":30", ":oo", ":xD"):
        assert alice.get(f"/rooms/1/completions?word={emoticon}").text.strip() == "", emoticon


def test_a_name_is_completed_after_a_letter_in_scripts_without_spaces(
    alice: Person, bob: Person, windows: Windows
) -> None:
    page = windows.open_as(alice, "/rooms/1")
    choices = page.locator("#completions")
    page.focus("#body")
    for before in ("ねえ", "ー", "안녕", "你好", "時々", "、"):
        page.keyboard.type(f"{before}@b")
        expect(choices).to_be_visible()
        expect(choices.locator("li")).to_have_text("Bob Brown")
        page.keyboard.press("Tab")
        expect(page.locator("#body")).to_have_value(f"{before}@Bob Brown ")
        page.fill("#body", "")
    page.keyboard.type("a@b")
    page.wait_for_timeout(400)
    expect(choices).to_be_hidden()


@pytest.mark.parametrize("key", ["Enter", "Tab", "Escape"])
def test_only_completions_of_the_current_word_are_taken(alice: Person, bob: Person, windows: Windows, key: str) -> None:
    sign_up(alice.server, "Bea")
    page = windows.open_as(alice, "/rooms/1")
    held: list[Callable[[], None]] = []
    page.route("**/completions?word=%40bob", lambda route: held.append(route.continue_))
    choices = page.locator("#completions")
    page.focus("#body")
    page.keyboard.type("@b")
    expect(choices.locator("li").first).to_have_text("Bea")
    page.keyboard.press("ArrowDown")
    with page.expect_request("**/completions?word=%40bob"):
        page.keyboard.type("ob")
    expect(choices.locator("[aria-selected=true]")).to_have_count(0)
    expect(page.locator("#body")).to_have_attribute("aria-activedescendant", "")
    page.keyboard.press(key)
    if key == "Enter":
        expect(page.locator("#messages .body")).to_have_text(["@bob"])
        expect(page.locator("#body")).to_have_value("")
    else:
        expect(page.locator("#body")).to_have_value("@bob")
    expect(choices).to_be_hidden()
    with page.expect_response("**/completions?word=%40bob"):
        held.pop()()
    page.wait_for_timeout(200)
    expect(choices).to_be_hidden()


def test_a_completion_is_dropped_after_the_caret_moved(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.focus("#body")
    page.keyboard.type("hello @b")
    expect(page.locator("#completions li")).to_have_text("Bob Brown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .body")).to_have_text(["hello @b"])


def test_an_author_picks_an_emoji(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    page.fill("#body", "oh ")
    page.click("#pick")
    expect(page.locator("#picker .emoji-list button").first).to_be_visible()
    page.locator("#picker input").press_sequentially("rocket")
    expect(page.locator("#picker .found button")).to_have_text(["🚀"])
    page.locator("#picker .found button").click()
    expect(page.locator("#picker")).to_be_hidden()
    expect(page.locator("#body")).to_have_value("oh 🚀")
    expect(page.locator("#body")).to_be_focused()


def test_an_author_uses_commands(alice: Person, bob: Person, windows: Windows) -> None:
    carol = sign_up(alice.server, "Carol")
    garden = alice.create_room("Garden")
    bob.join(garden)
    hers = windows.open_as(alice, f"/rooms/{garden}", expected=("422",))
    his = windows.open_as(bob, f"/rooms/{garden}")
    hers.focus("#body")
    hers.keyboard.type("/to")
    expect(hers.locator("#completions li")).to_have_count(1)
    hers.keyboard.press("Tab")
    hers.keyboard.type("Roses & *thorns*")
    hers.keyboard.press("Enter")
    for page in (hers, his):
        expect(page.locator("#topic")).to_have_text("Roses & *thorns*")
        expect(page.locator("#messages .body")).to_have_text(["set the topic: Roses & *thorns*"])
    send(hers, "/me waves")
    expect(his.locator("#messages .me")).to_have_text(["set the topic: Roses & *thorns*", "waves"])
    send(hers, "/shrug well")
    expect(his.locator("#messages .body").last).to_have_text("well ¯\\_(ツ)_/¯")
    send(hers, "/invite carol")
    expect(his.locator("#messages .body").last).to_have_text("invited Carol")
    assert carol.reads(garden)[-1] == "invited Carol"
    for text, error in (
        ("/invite Nobody Else", "Nobody here is called “Nobody Else”."),
        ("/invite Carol", "Carol is in this room already."),
        ("/dance", "There is no command /dance."),
        ("/leave it to me, I will fix it tomorrow", "No words follow the command /leave."),
        ("/me", "Write what you do, such as: /me waves"),
        ("/topic " + "x" * 201, "A topic has at most 200 characters."),
    ):
        send(hers, text)
        expect(unsent(hers).locator(".why")).to_contain_text(error)
        unsent(hers).get_by_text("Edit").click()
        expect(hers.locator("#body")).to_have_value(text)
    send(hers, "/leave it to me, I will fix it tomorrow")
    hers.click("text=Send it as a message")
    expect(his.locator("#messages .body").last).to_have_text("/leave it to me, I will fix it tomorrow")
    send(hers, "/etc/passwd is a path")
    expect(his.locator("#messages .body").last).to_have_text("/etc/passwd is a path")
    send(hers, "/help")
    expect(hers.locator("h1")).to_have_text("Writing help")
    send(his, "/leave")
    expect(his).to_have_url(f"{alice.server.url}/rooms/1")
    expect(his.locator("nav >> text=Garden")).to_have_count(0)
    bob.join(garden)
    his.goto(f"{alice.server.url}/rooms/{garden}")
    wait_until_live(his)
    expect(unsent(his)).to_have_count(0)
    his.wait_for_timeout(500)
    expect(his.locator("#room-header")).to_be_visible()


def test_an_author_uses_commands_without_javascript(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", java_script_enabled=False, expected=("422",))
    page.fill("#body", "/topic Hello")
    page.click(".send")
    expect(page.locator("#topic")).to_have_text("Hello")
    page.fill("#body", "/dance")
    page.click(".send")
    expect(page.locator("#composer-error")).to_contain_text("There is no command /dance")
    expect(page.locator("#body")).to_have_value("/dance")
    page.fill("#body", "/help me please")
    page.click(".send")
    expect(page.locator("#composer-error")).to_contain_text("No words follow the command /help.")
    expect(page.locator("#body")).to_have_value("/help me please")
    page.click("text=Send it as a message")
    expect(page.locator("#messages .body").last).to_have_text("/help me please")


def test_in_a_closed_room_only_managers_invite(alice: Person, bob: Person, windows: Windows) -> None:
    sign_up(alice.server, "Carol")
    cellar = alice.create_room("Cellar", "closed")
    alice.submit(f"/rooms/{cellar}/members", {"person": bob.id})
    page = windows.open_as(bob, f"/rooms/{cellar}", expected=("422",))
    send(page, "/invite Carol")
    expect(unsent(page)).to_contain_text("Only the room's owners and administrators can do this.")
    direct = windows.open_as(bob, f"/rooms/{bob.open_direct(alice)}", expected=("422",))
    send(direct, "/topic Us")
    expect(unsent(direct)).to_contain_text("A direct conversation has no topic.")


def test_a_command_that_navigates_runs_once(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=("422",))
    send(page, "/status 🌴 On holiday")
    expect(page.locator(".sidebar-me .status")).to_contain_text("On holiday")
    expect(unsent(page)).to_have_count(0)
    send(page, "/help")
    expect(page.locator("h1")).to_have_text("Writing help")
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator("#body")).to_be_focused()
    expect(unsent(page)).to_have_count(0)
    send(page, " /dance")
    expect(page.locator("#m-1 .body")).to_have_text("/dance")
    expect(page.locator("#body")).to_have_value("")
    send(page, "/invite @Nobody")
    expect(unsent(page)).to_contain_text("Nobody here is called “Nobody”")


def test_enter_on_an_on_screen_keyboard_starts_a_new_line(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, has_touch=True, is_mobile=True)
    page.tap("#body")
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    expect(page.locator("#body")).to_have_value("one\ntwo")
    page.tap(".send")
    expect(page.locator("#m-1 .body")).to_have_text("one\ntwo")
