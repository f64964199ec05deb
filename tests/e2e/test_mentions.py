"""Who is meant is told: names in messages, the page of mentions, what of a room one wants to hear."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import Windows, choose, hide, wait_until, wait_until_live
from tests.support.databases import query
from tests.support.people import Person, sign_up

LISTENS = """
    window.told = [];
    window.rung = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function () { rung += 1; start.call(this); };
    window.Notification = class extends EventTarget {
        constructor(title, { body }) { super(); told.push(`${title}: ${body}`); }
        static permission = "granted";
        static requestPermission() { return Promise.resolve("granted"); }
    };
"""


def badge(page: Page, name: str) -> str:
    found = page.locator(f"nav a:has-text('{name}') .badge:visible .number")
    return found.inner_text() if found.count() else ""


def until_told(page: Page, told: list[str]) -> None:
    """Waits until a page has told all this, and then whether it tells more."""
    wait_until(lambda: bool(page.evaluate("told.length") >= len(told)), page)
    page.wait_for_timeout(2500)
    assert page.evaluate("told") == told


def meant(alice: Person) -> list[tuple[int, int]]:
    rows = query(alice.server.database_url, "SELECT message_id, user_id FROM mentions ORDER BY message_id, user_id")
    return [(row[0], row[1]) for row in rows]


def test_names_of_members_are_found_and_nobody_else(alice: Person, bob: Person) -> None:
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


def test_names_in_writing_without_spaces_are_found(alice: Person) -> None:
    chulsoo, tanaka = sign_up(alice.server, "김철수"), sign_up(alice.server, "田中")
    for body in ("@김철수님 안녕하세요", "@田中さん", "ねえ@田中"):
        alice.post(1, body)
    assert meant(alice) == [(1, chulsoo.id), (2, tanaka.id), (3, tanaka.id)]


def test_a_mention_is_counted_read_and_listed(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    page = windows.open_as(bob, "/rooms/1")
    alice.post(garden, "nothing special")
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    assert badge(page, "Mentions") == ""
    alice.post(garden, "what about you, @Bob Brown?")
    expect(page.locator("#mentions .badge")).to_have_text("1 new")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    assert badge(page, "Garden") == "@2"
    page.reload()
    assert (badge(page, "Garden"), badge(page, "Mentions")) == ("@2", "1")
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


def test_what_is_quoted_tells_nobody_again(alice: Person, bob: Person, carol: Person) -> None:
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


def test_everybody_in_a_large_room_is_meant_anew_when_it_is_edited(alice: Person, bob: Person) -> None:
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


def test_whom_a_message_means_no_longer_is_told_no_more(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(bob, "/profile")
    for position, take_back in enumerate((lambda: alice.edit(1, "nobody"), lambda: alice.delete(2)), start=1):
        alice.post(1, "what about you, @Bob Brown?")
        expect(page.locator("#mentions .badge")).to_have_text("1 new")
        take_back()
        expect(page.locator("#mentions .badge")).to_be_hidden()
        assert badge(page, "Lobby") == str(position)


def test_an_answer_tells_who_is_answered(alice: Person, bob: Person, windows: Windows) -> None:
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
        ("everything", "(2) ", "@2", ["Garden: Alice Adams: hello", "Garden: Alice Adams: hello @Bob Brown & <all>"]),
        ("mentions", "(2) ", "@2", ["Garden: Alice Adams: hello @Bob Brown & <all>"]),
        ("nothing", "", "", []),
    ],
)
def test_one_chooses_what_one_is_told(
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
    until_told(page, told[: len(told) - 1])
    alice.post(garden, "**hello** @Bob Brown & <all>")
    expect(page.locator("#mentions .badge")).to_have_text("1 new")
    until_told(page, told)
    assert page.evaluate("rung") == len(told)
    expect(page).to_have_title(re.compile(rf"^{re.escape(unread)}Lobby"))
    assert badge(page, "Garden") == numbers
    page.reload()
    assert badge(page, "Garden") == numbers
    link = bob.get("/").text.split(f'data-room="{garden}"')[1].split("</a>")[0]
    assert ('class="badge mentioned"' in link) == bool(numbers)


def test_a_hidden_room_is_not_in_the_list_but_can_be_found(alice: Person, bob: Person, windows: Windows) -> None:
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
    """Turns notifications on, and lets the page that is opened next believe that it is behind another."""
    page.context.add_init_script(LISTENS)
    page.goto(page.url.split("/rooms")[0] + "/profile")
    page.check("text=Show a notification")


def test_the_room_on_a_page_that_is_not_in_front_tells_too(alice: Person, bob: Person, windows: Windows) -> None:
    bob.submit("/rooms/1/level", {"level": "everything"})
    page = windows.open_as(bob, "/rooms/1")
    listening(page)
    page.goto(f"{bob.server.url}/rooms/1")
    wait_until_live(page)
    hide(page)
    alice.post(1, "hello")
    expect(page).to_have_title(re.compile(r"^\(1\) Lobby"))
    until_told(page, ["Lobby: Alice Adams: hello"])
    # However long the two take here, they come within that time.
    page.evaluate(
        "() => { window.postponed = []; const later = setTimeout; window.setTimeout = (act, after, ...those) =>"
        " after === PATIENCE ? postponed.push(() => act(...those)) : later(act, after, ...those); }"
    )
    for body in ("hello @Bob Brown", "and everybody"):
        alice.post(1, body)
    expect(page.locator("#m-3")).to_be_attached()
    expect(page.locator("#mentions .badge")).to_have_text("1 new")
    page.evaluate("postponed.forEach((act) => act())")
    until_told(page, ["Lobby: Alice Adams: hello", "Lobby: Alice Adams: hello @Bob Brown"])


def test_the_first_message_of_a_conversation_tells(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(bob, "/rooms/1")
    listening(page)
    page.goto(f"{bob.server.url}/rooms/1")
    wait_until_live(page)
    hide(page)
    alice.post(alice.open_direct(bob), "psst")
    expect(page).to_have_title(re.compile(r"^\(1\) Lobby"))
    until_told(page, ["Alice Adams: psst"])


def test_who_is_meant_by_an_edit_is_told_at_once(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    alice.post(garden, "what about you?")
    page = windows.open_as(bob, "/rooms/1")
    alice.edit(1, "what about you, @Bob Brown?")
    expect(page.locator("#mentions .badge")).to_have_text("1 new")


def test_an_answer_tells_whatever_signs_the_name_has(alice: Person, bob: Person, windows: Windows) -> None:
    anne = sign_up(alice.server, "Anne-Marie O'Neil_Jr.")
    anne.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1")
    choose(page, 1, "text=Reply")
    expect(page.locator("#body")).to_be_focused()
    page.keyboard.type("yes")
    page.keyboard.press("Enter")
    expect(page.locator("#m-2 blockquote .mention")).to_have_text("@Anne-Marie O'Neil_Jr.")
    assert meant(alice) == [(2, anne.id)]


def test_everybody_is_offered_to_those_who_may_call_them(alice: Person, bob: Person) -> None:
    assert "everybody in the room" in alice.get("/rooms/1/completions?word=@ro").text
    assert "everybody in the room" not in bob.get("/rooms/1/completions?word=@ro").text
