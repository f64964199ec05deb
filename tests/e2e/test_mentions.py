"""Mentions and notifications: names in messages, the page of mentions, notification levels."""

import re
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.files.test_faces import pictures_in, send_picture
from tests.support.browsers import Windows, choose, hide, wait_until, wait_until_live
from tests.support.databases import query
from tests.support.people import Person, sign_up

LISTENS = """
    window.told = [];
    window.icons = [];
    window.rung = 0;
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () { rung += 1; return play.call(this); };
    window.Notification = class extends EventTarget {
        constructor(title, { body, icon }) { super(); told.push(`${title}: ${body}`); icons.push(icon); }
        close() { told.pop(); }
        static permission = "granted";
        static requestPermission() { return Promise.resolve("granted"); }
    };
"""


def badge(page: Page, name: str) -> str:
    """The numbers beside a line of the sidebar: new messages, and mentions among them."""
    return " @".join(page.locator(f"nav a:has-text('{name}') .badge:visible .number").all_inner_texts())


def until_told(page: Page, told: list[str], *, is_all: bool = True) -> None:
    """Wait until a page has shown these notifications, and, if they are all, check that no more follow."""
    wait_until(lambda: bool(page.evaluate("told.length") >= len(told)), page)
    if is_all:
        page.wait_for_timeout(2500)
    assert page.evaluate("told") == told


def meant(alice: Person) -> list[tuple[int, int]]:
    rows = query(alice.server.database_url, "SELECT message_id, user_id FROM mentions ORDER BY message_id, user_id")
    return [(row[0], row[1]) for row in rows]


def test_only_members_names_become_mentions(alice: Person, bob: Person) -> None:
    carol = sign_up(alice.server, "Carol")
    short = sign_up(alice.server, "Bob")
    cellar = alice.create_room("Cellar", "closed")
    for person in (bob, short):
        alice.submit(f"/rooms/{cellar}/members", {"person": person.id})
    for body in (
        "@bob brown, @BOB: hi",
        "@Carol a@bob `@bob` @bobby",
        "[@bob](https://x.org)",
        "@room come",
        "@Alice Adams",
    ):
        alice.post(cellar, body)
    assert meant(alice) == [(1, bob.id), (1, short.id), (4, bob.id), (4, short.id)]
    markup = alice.get(f"/rooms/{cellar}/messages").text
    assert f'<a class="mention" href="/people/{bob.id}" rel="noopener noreferrer nofollow">@Bob Brown</a>' in markup
    assert "@Carol a@bob" in markup
    assert carol.get("/mentions").text.count('class="panel') == 0
    bob.post(cellar, "@room as a member")
    assert len(meant(alice)) == 4
    alice.edit(1, "only @Bob Brown")
    alice.edit(2, "now @Bob")
    assert meant(alice)[:2] == [(1, bob.id), (2, short.id)]
    alice.delete(4)
    assert meant(alice) == [(1, bob.id), (2, short.id)]


def test_names_in_scripts_without_spaces_become_mentions(alice: Person) -> None:
    chulsoo, tanaka = sign_up(alice.server, "김철수"), sign_up(alice.server, "田中")
    for body in ("@김철수님 안녕하세요", "@田中さん", "ねえ@田中"):
        alice.post(1, body)
    assert meant(alice) == [(1, chulsoo.id), (2, tanaka.id), (3, tanaka.id)]


def test_a_member_sees_reads_and_lists_their_mentions(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    page = windows.open_as(bob, "/rooms/1")
    alice.post(garden, "nothing special")
    expect(page.locator("nav a:has-text('Garden') .badge:visible")).to_have_text("1 new")
    expect(page).to_have_title(re.compile("^Lobby"))
    assert badge(page, "Mentions") == ""
    alice.post(garden, "what about you, @Bob Brown?")
    expect(page.locator("#mentions .badge")).to_have_text("1 new")
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    # The number of messages may come a quarter of a second after the mention.
    wait_until(lambda: badge(page, "Garden") == "2 @1", page)
    page.reload()
    assert (badge(page, "Garden"), badge(page, "Mentions")) == ("2 @1", "1")
    page.click("nav >> text=Mentions")
    expect(page.locator(".mentions li.new")).to_contain_text("what about you, @Bob Brown?")
    page.click(".mentions >> text=Garden")
    mention = page.locator("#m-2 .mention")
    expect(mention).to_be_in_viewport()
    other = page.evaluate("getComputedStyle(document.querySelector('.body')).backgroundColor")
    assert mention.evaluate("element => getComputedStyle(element).backgroundColor") != other
    page.click("nav >> text=Garden")
    expect(page.locator("#mentions .badge")).to_be_hidden()
    expect(page).to_have_title(re.compile(r"^Garden"))
    position = "SELECT read_position FROM memberships WHERE room_id = $1 AND user_id = $2"
    wait_until(lambda: query(bob.server.database_url, position, garden, bob.id)[0][0] == 2, page)
    page.goto(f"{bob.server.url}/mentions")
    expect(page.locator(".mentions li")).to_have_count(1)
    expect(page.locator(".mentions li.new")).to_have_count(0)


def test_a_quote_mentions_its_author_only(alice: Person, bob: Person, carol: Person) -> None:
    alice.post(1, "@Bob Brown, @Carol Clark and @room: please look")
    everybody = [(1, bob.id), (1, carol.id)]
    assert meant(alice) == everybody
    quote = "> @Carol Clark [wrote](/rooms/1/messages/1#m-1):\n> @Alice Adams and @room: please look\n"
    alice.post(1, f"{quote}\nlooked")
    assert meant(alice) == [*everybody, (2, carol.id)]
    bob.post(1, f"{quote}\nlooked, too, @Alice Adams")
    assert meant(alice) == [*everybody, (2, carol.id), (3, alice.id), (3, carol.id)]
    assert alice.reads(1)[2].count("@Alice Adams") == 2
    alice.post(1, "> @Bob Brown knows\n\nreally?")
    assert len(meant(alice)) == 5
    alice.post(1, "> what is below is no quote\n@Bob Brown, is it?")
    assert meant(alice)[5:] == [(5, bob.id)]


def test_editing_a_message_to_a_large_room_mentions_every_member(alice: Person, bob: Person) -> None:
    many = """
        WITH many AS (INSERT INTO users (email, name, password_hash, role)
            SELECT n || '@example.org', 'Number ' || n, '', 'member' FROM generate_series(1, 33000) AS n RETURNING id)
        INSERT INTO memberships (room_id, user_id, role) SELECT 1, id, 'member' FROM many
    """
    query(alice.server.database_url, many)
    alice.post(1, "@room hello")
    assert alice.edit(1, "hello @Bob Brown").status_code < 400
    assert meant(alice) == [(1, bob.id)]
    assert alice.edit(1, "@room helo").status_code < 400
    assert len(meant(alice)) == 33_001


def test_removing_a_mention_removes_its_badge(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(bob, "/profile")
    ways: list[Callable[[], httpx.Response]] = [lambda: alice.edit(1, "nobody"), lambda: alice.delete(2)]
    for take_back in ways:
        alice.post(1, "what about you, @Bob Brown?")
        expect(page.locator("#mentions .badge")).to_have_text("1 new")
        take_back()
        expect(page.locator("#mentions .badge")).to_be_hidden()
        assert badge(page, "Lobby") == "1"


def test_a_reply_notifies_the_quoted_author(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    choose(page, 1, "text=Reply")
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.type("yes")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .message")).to_have_count(2)
    assert meant(alice) == [(2, bob.id)]


@pytest.mark.parametrize(
    ("level", "unread", "numbers", "told"),
    [
        ("everything", "(2) ", "2 @1", ["Garden: Alice Adams: hello", "Garden: Alice Adams: hello @Bob Brown & <all>"]),
        ("mentions", "(1) ", "2 @1", ["Garden: Alice Adams: hello @Bob Brown & <all>"]),
        ("nothing", "", "", []),
    ],
)
def test_a_rooms_level_decides_badges_and_notifications(
    alice: Person, bob: Person, windows: Windows, level: str, unread: str, numbers: str, told: list[str]
) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    page = windows.open_as(bob, f"/rooms/{garden}/settings")
    page.context.add_init_script(LISTENS)
    page.check(f"input[value={level}]")
    page.click("section:has-text('Notifications') >> text=Save")
    page.goto(f"{bob.server.url}/profile")
    page.check("text=Show a notification")
    page.check("text=Make a sound")
    page.goto(f"{bob.server.url}/rooms/1")
    wait_until_live(page)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    alice.post(garden, "hello")
    # Where the first message should not notify, the second would hide that it does.
    until_told(page, told[: len(told) - 1], is_all=level == "mentions")
    alice.post(garden, "**hello** @Bob Brown & <all>")
    expect(page.locator("#mentions .badge")).to_have_text("1 new")
    until_told(page, told)
    assert page.evaluate("rung") == len(told)
    expect(page).to_have_title(re.compile(rf"^{re.escape(unread)}Lobby"))
    assert badge(page, "Garden") == numbers
    page.reload()
    assert badge(page, "Garden") == numbers
    link = bob.get("/").text.split(f'data-room="{garden}"')[1].split("</a>")[0]
    assert ('class="badge mentioned"><span class="number"></span>' in link) == (not numbers)


def test_a_hidden_room_leaves_the_sidebar_but_can_be_found(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    page = windows.open_as(alice, f"/rooms/{garden}/settings")
    page.check("input[value=hidden]")
    page.click("section:has-text('Notifications') >> text=Save")
    expect(page.locator("nav a[aria-current]")).to_contain_text("Garden")
    page.goto(f"{alice.server.url}/rooms/1")
    expect(page.locator("nav >> text=Garden")).to_have_count(0)
    page.click("text=Find rooms")
    expect(page.locator("main >> text=Garden")).to_be_visible()
    direct = alice.open_direct(bob)
    assert alice.submit(f"/rooms/{direct}/level", {"level": "hidden"}).status_code == 422
    assert alice.submit(f"/rooms/{direct}/level", {"level": "nothing"}).status_code == 303


def listening(page: Page) -> None:
    """Turn notifications on, and make the next opened page believe that it is in the background."""
    page.context.add_init_script(LISTENS)
    page.goto(page.url.split("/rooms")[0] + "/profile")
    page.check("text=Show a notification")


def test_a_background_page_notifies_of_its_own_room(alice: Person, bob: Person, windows: Windows) -> None:
    bob.submit("/rooms/1/level", {"level": "everything"})
    page = windows.open_as(bob, "/rooms/1")
    listening(page)
    page.goto(f"{bob.server.url}/rooms/1")
    wait_until_live(page)
    hide(page)
    alice.post(1, "hello")
    expect(page).to_have_title(re.compile(r"^\(1\) Lobby"))
    until_told(page, ["Lobby: Alice Adams: hello"], is_all=False)
    # On any machine, both notifications come within this time.
    page.evaluate(
        "() => { window.postponed = []; const later = setTimeout; window.setTimeout = (act, after, ...those) =>"
        " act.name === 'notify' ? postponed.push(() => act(...those)) : later(act, after, ...those); }"
    )
    for body in ("hello @Bob Brown", "and everybody"):
        alice.post(1, body)
    expect(page.locator("#m-3")).to_be_attached()
    expect(page.locator("#mentions .badge")).to_have_text("1 new")
    page.evaluate("postponed.forEach((act) => act())")
    until_told(page, ["Lobby: Alice Adams: hello", "Lobby: Alice Adams: hello @Bob Brown"])


def test_a_single_hidden_page_rings_and_its_notification_goes_when_it_is_read(
    alice: Person, bob: Person, windows: Windows
) -> None:
    bob.submit("/rooms/1/level", {"level": "everything"})
    first = windows.open_as(bob, "/profile")
    first.context.add_init_script(LISTENS)
    first.reload()
    first.check("text=Show a notification")
    first.check("text=Make a sound")
    pages = [first, *(first.context.new_page() for _ in range(2))]
    for page in pages:
        page.goto(f"{bob.server.url}/rooms/1")
        wait_until_live(page)
        hide(page)

    def in_all(what: str) -> int:
        return sum(page.evaluate(what) for page in pages)

    def has_rung(times: int) -> bool:
        return in_all("rung") >= times

    for number in (1, 2):
        alice.post(1, f"hello {number}")
        wait_until(partial(has_rung, number), first)
    first.wait_for_timeout(2500)
    assert in_all("rung") == 2
    wait_until(lambda: in_all("told.length") > 0, first)
    shown = in_all("told.length")
    bob.submit("/rooms/1/read", {"position": "2"})
    wait_until(lambda: in_all("told.length") < shown, first)


def test_the_first_message_of_a_direct_room_notifies_with_its_authors_face(
    alice: Person, bob: Person, windows: Windows
) -> None:
    send_picture(alice)
    page = windows.open_as(bob, "/rooms/1")
    listening(page)
    page.goto(f"{bob.server.url}/rooms/1")
    wait_until_live(page)
    hide(page)
    alice.post(alice.open_direct(bob), "psst")
    expect(page).to_have_title(re.compile(r"^\(1\) Lobby"))
    until_told(page, ["Alice Adams: psst"])
    (face,) = pictures_in(bob.get(f"/people/{alice.id}/card").text)
    assert page.evaluate("icons") == [f"{alice.server.url}{face}"]


def test_a_mention_added_by_an_edit_notifies_at_once(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    alice.post(garden, "what about you?")
    page = windows.open_as(bob, "/rooms/1")
    alice.edit(1, "what about you, @Bob Brown?")
    expect(page.locator("#mentions .badge")).to_have_text("1 new")


def test_a_reply_notifies_an_author_with_symbols_in_their_name(alice: Person, bob: Person, windows: Windows) -> None:
    anne = sign_up(alice.server, "Anne-Marie O'Neil_Jr.")
    anne.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    choose(page, 1, "text=Reply")
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.type("yes")
    page.keyboard.press("Enter")
    expect(page.locator("#m-2 .quoted b")).to_have_text("Anne-Marie O'Neil_Jr.")
    assert meant(alice) == [(2, anne.id)]


def test_only_managers_are_offered_the_mention_of_a_whole_room(alice: Person, bob: Person) -> None:
    assert "everybody in the room" in alice.get("/rooms/1/completions?word=@ro").text
    assert "everybody in the room" not in bob.get("/rooms/1/completions?word=@ro").text
