"""A row of the list of messages: its measures, and what is tinted."""

from playwright.sync_api import Page, expect

from tests.support.browsers import PHONE, Windows
from tests.support.people import Person

CLEAR = "rgba(0, 0, 0, 0)"


def gaps(page: Page) -> list[float]:
    """The pixels between the text of each message and what comes next: its author's name, or more of their text."""
    found: list[float] = page.evaluate(
        "() => [...document.querySelectorAll('#messages .message')].slice(1).map((row) => {"
        " const shown = row.matches('.continues') ? '.body' : '.author';"
        " const text = row.previousElementSibling.querySelector('.body').getBoundingClientRect();"
        " return row.querySelector(shown).getBoundingClientRect().top - text.bottom; })"
    )
    return found


def tint(page: Page, message_id: int) -> str:
    return str(page.locator(f"#m-{message_id}").evaluate("row => getComputedStyle(row, '::after').backgroundColor"))


def test_lines_of_a_member_stand_close_and_people_apart(alice: Person, bob: Person, windows: Windows) -> None:
    for author, text in ((alice, "one"), (alice, "two"), (bob, "three"), (bob, "four"), (alice, "long " * 60)):
        author.post(1, text)
    alice.submit("/rooms/1/read", {"position": 5})
    page = windows.open_as(alice, "/rooms/1")
    expect(page.locator("#m-1 .body")).to_have_css("font-size", "15px")
    expect(page.locator("#m-1 .body")).to_have_css("line-height", "22px")
    assert [round(gap) for gap in gaps(page)] == [2, 12, 2, 12]
    page.set_viewport_size(PHONE)
    body = page.locator("#m-5 .body").bounding_box()
    assert body
    assert body["x"] + body["width"] > PHONE["width"] - 16, "text reaches the edge of a phone"


def test_only_rows_that_mention_the_reader_are_tinted(
    alice: Person, bob: Person, carol: Person, windows: Windows
) -> None:
    texts = ("hello", "@Bob Brown, look", "@Carol Clark, look", "> @Bob Brown said so", "@room, lunch!")
    for text in texts:
        alice.post(1, text)
    bob.post(1, "for @Bob Brown himself")
    his, hers = windows.open_as(bob, "/rooms/1"), windows.open_as(alice, "/rooms/1")
    assert [tint(his, number) != CLEAR for number in range(1, 7)] == [False, True, False, False, True, False]
    assert [tint(hers, number) != CLEAR for number in range(1, 7)] == [False] * 6
    expect(hers.locator("#m-1 .body")).to_have_css("background-color", CLEAR)
