"""A row of the list of messages: its measures, and what is tinted."""

from playwright.sync_api import Page, expect

from tests.support.browsers import PHONE, Windows, accessibility_violations, open_menu, send, wait_until_live
from tests.support.people import Person

CLEAR = "rgba(0, 0, 0, 0)"
# In an order of their attributes, and without what htmx, the keyboard and reading leave on elements.
MARKUP = """
    rows => rows.map((row) => row.cloneNode(true)).map((row) => {
        const left = ["tabindex", "data-htmx-powered"], order = (one, other) => (one.name < other.name ? -1 : 1);
        row.classList.remove("first-new");
        for (const each of [row, ...row.querySelectorAll("*")])
            for (const { name, value } of [...each.attributes].sort(order)) {
                each.removeAttribute(name);
                if (!left.includes(name)) each.setAttribute(name, value);
            }
        return row.outerHTML.replaceAll(/>\\s+</g, "> <").replace(/ <.li>$/, "</li>");
    })
"""


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


def test_a_message_that_arrives_has_the_row_of_a_loaded_page(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    bob.post(1, "one")
    send(page, "two")
    expect(page.locator("#m-2")).to_be_visible()
    bob.submit("/messages/2/reactions", {"emoji": "🎉"})
    bob.submit("/messages/1/reactions", {"emoji": "🎉"})
    bob.post(1, "three")
    bob.submit("/messages/3/delete", {})
    expect(page.locator("#m-1 .reaction")).to_be_visible()
    expect(page.locator("#m-2 .reaction")).to_be_visible()
    expect(page.locator("#m-3.deleted")).to_be_visible()
    arrived = page.locator("#messages > li").evaluate_all(MARKUP)
    page.reload()
    wait_until_live(page)
    assert page.locator("#messages > li").evaluate_all(MARKUP) == arrived


def test_a_page_knows_how_far_a_frame_has_taken_it(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    revision, list_ = "data-revision", page.locator("#messages")
    bob.post(1, "one")
    expect(list_).to_have_attribute(revision, "1")
    bob.submit("/messages/1/reactions", {"emoji": "🎉"})
    expect(list_).to_have_attribute(revision, "2")
    send(page, "two")
    expect(list_).to_have_attribute(revision, "3")
    # Messages before an answer may be missing.
    page.evaluate("document.getElementById('live').remove()")
    send(page, "three")
    expect(page.locator("#m-3")).to_be_visible()
    expect(list_).to_have_attribute(revision, "3")


def test_the_bar_and_menu_of_a_message_push_nothing_away(alice: Person, bob: Person, windows: Windows) -> None:
    for text in ("one", "two **bold**", "three"):
        bob.post(1, text)
    page = windows.open_as(alice, "/rooms/1")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    before = page.locator("#m-3").bounding_box()
    page.hover("#m-2")
    bar, row = page.locator("#bar").bounding_box(), page.locator("#m-2").bounding_box()
    assert bar
    assert row
    assert abs(bar["y"] - row["y"]) < 30
    assert row["x"] + row["width"] - bar["x"] - bar["width"] < 40, "it stands at the right"
    open_menu(page, 2)
    assert page.locator("#m-3").bounding_box() == before
    for words, copied in (("Copy text", "two **bold**"), ("Copy link", f"{alice.server.url}/rooms/1/messages/2#m-2")):
        open_menu(page, 2).get_by_text(words, exact=True).click()
        expect(page.locator("#menu")).to_contain_text("Copied")
        expect(page.locator("#menu")).to_be_hidden()
        assert page.evaluate("navigator.clipboard.readText()") == copied
    bob.delete(2)
    expect(page.locator("#m-2 .body")).to_have_text("This message was deleted.")
    page.hover("#m-2")
    expect(page.locator("#bar")).to_be_hidden()


def test_a_finger_that_rests_on_a_message_opens_its_actions(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "shall we?")
    bob.post(1, f"```\n{'long ' * 40}\n```")
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("#m-2 pre")).to_have_attribute("tabindex", "0")
    assert accessibility_violations(page) == []
    body, menu = page.locator("#m-1 .body"), page.locator("#menu")
    place = body.bounding_box()
    assert place
    finger = page.context.new_cdp_session(page)
    points = [{"x": place["x"] + 10, "y": place["y"] + 10}]
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    expect(menu).to_be_visible()
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    for words in ("Reply", "Copy text", "Copy link", "Pin", "Mark unread from here", "Delete"):
        expect(menu.get_by_text(words, exact=True).first).to_be_in_viewport()
    sheet = menu.bounding_box()
    assert sheet
    assert round(sheet["y"] + sheet["height"]) == PHONE["height"], "it comes from below"
    menu.locator("[value='🎉']").tap()
    expect(page.locator("#m-1 .reaction")).to_contain_text("🎉 1")
    expect(menu).to_be_hidden()


def test_the_bar_stands_at_its_row_without_anchors_too(alice: Person, bob: Person, windows: Windows) -> None:
    for number in range(60):
        bob.post(1, f"line {number}")
    alice.submit("/rooms/1/read", {"position": 60})
    page = windows.open(storage_state=windows.open_as(alice).context.storage_state())
    page.add_init_script("CSS.supports = () => false")
    page.goto(f"{alice.server.url}/rooms/1")
    page.evaluate(
        "document.adoptedStyleSheets.push(new CSSStyleSheet());"
        "document.adoptedStyleSheets.at(-1).insertRule('.message { anchor-name: none !important; }')"
    )
    for message_id in (58, 52):
        page.hover(f"#m-{message_id}")
        row, bar = (page.locator(place).bounding_box() for place in (f"#m-{message_id}", "#bar"))
        assert row
        assert bar
        assert abs(bar["y"] + bar["height"] / 2 - row["y"]) < 10
