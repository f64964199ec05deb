"""Copying messages and code, and how code is shown that is too wide."""

from playwright.sync_api import expect

from tests.support.browsers import Windows
from tests.support.people import Person


def test_several_messages_are_copied_as_paragraphs_and_code_by_its_button(
    alice: Person, bob: Person, windows: Windows
) -> None:
    alice.post(1, "first **one**\n\n- a\n- b")
    alice.post(1, "second")
    bob.post(1, "```\nfoo(1);\n\n  bar(2);\n```")
    alice.submit("/messages/2/reactions", {"emoji": "👍"})
    page = windows.open_as(alice, "/rooms/1")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#m-3 pre").hover()
    expect(page.locator("#m-3 pre > button")).to_be_visible()
    clock = page.locator("#m-1 time").inner_text()
    page.evaluate("getSelection().selectAllChildren(document.getElementById('messages'))")
    page.keyboard.press("Control+C")
    copied = page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n").split("\n\n")
    assert copied[0] == f"Alice Adams {clock} first one"
    assert "\n\n".join(copied[1:]) == f"a\nb\n\nAlice Adams {clock} second\n\nBob Brown {clock} foo(1);\n\n  bar(2);"
    page.locator("#m-3 pre").hover()
    page.click("#m-3 pre >> text=Copy")
    expect(page.locator("#m-3 pre > button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n") == "foo(1);\n\n  bar(2);\n"


def test_text_has_its_own_direction_and_code_always_runs_left_to_right(alice: Person, windows: Windows) -> None:
    alice.post(1, "שלום עולם\n\nhello world, and everybody else in it\n\n```\nfoo(1);\n```")
    page = windows.open_as(alice, "/rooms/1")
    edges = page.locator("#m-1 .body").evaluate(
        """body => [...body.querySelectorAll("p, code")].map((each) => {
            const text = document.createRange(), around = each.getBoundingClientRect();
            text.selectNodeContents(each);
            return Math.round(text.getBoundingClientRect().left - around.left) > 20 ? "right" : "left";
        })"""
    )
    assert edges == ["right", "left", "left"]
    assert page.locator("#m-1 pre").evaluate("pre => getComputedStyle(pre).direction") == "ltr"
    for box in ("#body", ".editor textarea"):
        if box == ".editor textarea":
            page.goto(f"{alice.server.url}/messages/1/edit")
        page.fill(box, "שלום")
        assert page.locator(box).evaluate("box => getComputedStyle(box).direction") == "rtl"
        page.fill(box, "hello")
        assert page.locator(box).evaluate("box => getComputedStyle(box).direction") == "ltr"
