"""Links that show what they are: titles and pictures of pages, and messages of this chat."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape

import pytest

from chat.messages import page_previews
from tests.support.databases import execute, fresh_database, query, run
from tests.support.hostile_pages import SCRIPT, HostilePages, hostile_pages
from tests.support.people import Person, first_run, sign_up
from tests.support.pictures import opened
from tests.support.scrape import scrape
from tests.support.server import ForkedServer

ALLOWED = {"LINK_PREVIEWS": "yes", "LINK_PREVIEW_ALLOW": "127.0.0.1/32"}
PATIENCE = 30


@dataclass
class Chat:
    """A chat that fetches links of this machine, two people in its lobby, and the pages they link to."""

    url: str
    alice: Person
    bob: Person
    pages: HostilePages

    def post(self, person: Person, room_id: int, body: str) -> int:
        """Post a message and return its id."""
        answer = person.post(room_id, body)
        assert answer.status_code == 200, answer.text
        return int(re.findall(r'id="m-(\d+)"', answer.text)[0])

    def previews(self, message_id: int, room_id: int = 1, reader: Person | None = None) -> list[str]:
        """Return what a message's links show to a reader, as text."""
        page = (reader or self.bob).get(f"/rooms/{room_id}/messages/{message_id}").text
        item = page.partition(f'<li id="m-{message_id}"')[2].partition('<li id="m-')[0]
        found = re.findall(r'<li id="l-\d+">(.*?)</li>', item, re.DOTALL)
        return [unescape(" ".join(re.sub(r"<[^>]+>", "", each).split())) for each in found]

    def until_done(self) -> None:
        """Wait until all links have been looked at."""
        wait(lambda: query(self.url, "SELECT count(*) FROM links_to_show")[0][0] == 0)

    def posted(self, person: Person, room_id: int, body: str) -> int:
        """Post a message and wait until its links have been looked at; returns its id."""
        message_id = self.post(person, room_id, body)
        self.until_done()
        return message_id


def wait(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    with fresh_database() as url, hostile_pages() as pages:
        server = ForkedServer(url, **ALLOWED)
        try:
            server.start()
            alice = first_run(server)
            yield Chat(url, alice, sign_up(server, "Bob Brown"), pages)
        finally:
            server.remove()


def change(chat: Chat, statement: str) -> None:
    run(execute(chat.url, statement))


@pytest.fixture(autouse=True)
def a_minute_later(chat: Chat) -> None:
    """Let no test wait because of the pages that others asked this machine for."""
    change(chat, "UPDATE link_previews SET fetched_at = fetched_at - interval '1 minute'")


def revision_of(chat: Chat, message_id: int) -> int:
    return int(query(chat.url, f"SELECT revision FROM messages WHERE id = {message_id}")[0][0])


def test_a_link_shows_its_title_description_and_picture_from_us(chat: Chat) -> None:
    message_id = chat.posted(chat.alice, 1, f"look: {chat.pages.url}/article")
    assert chat.previews(message_id) == [
        "Willow News · 127.0.0.1 Lanterns at dusk A walk along the river. Bring a light."
    ]
    page = chat.bob.get(f"/rooms/1/messages/{message_id}").text
    (image,) = re.findall(r'<img src="(/messages/\d+/previews/\d+)" alt="" width="88" height="66"', page)
    picture = chat.bob.get(image)
    assert picture.headers["content-type"] == "image/webp"
    assert "sandbox" in picture.headers["content-security-policy"]
    assert opened(picture.content).size == (360, 240)
    assert f"{chat.pages.url}/picture" not in page
    (link,) = re.findall(r'<a class="preview" href="[^"]*"[^>]*>', page)
    assert 'target="_blank" rel="noopener noreferrer nofollow"' in link


def test_a_page_is_fetched_once_for_several_messages(chat: Chat) -> None:
    address = chat.pages.page("/once", "<title>Only once</title>")
    ids = [chat.posted(chat.alice, 1, f"{address} {address}") for _ in range(2)]
    assert [chat.previews(each) for each in ids] == [["127.0.0.1 Only once"]] * 2
    assert chat.pages.paths().count("/once") == 1


def test_the_first_three_links_outside_of_quotes_show_previews(chat: Chat) -> None:
    addresses = [chat.pages.page(f"/page-{number}", f"<title>Page {number}</title>") for number in range(5)]
    message_id = chat.posted(chat.alice, 1, f"> {addresses[0]}\n\n" + " ".join(addresses[1:]))
    assert chat.previews(message_id) == [f"127.0.0.1 Page {number}" for number in (1, 2, 3)]
    assert "/page-0" not in chat.pages.paths()
    assert "/page-4" not in chat.pages.paths()


def test_a_hostile_title_is_only_text(chat: Chat) -> None:
    title = f"{SCRIPT}\u202eevil\x07</a>"
    content = f'<meta property="og:title" content="{title}"><meta name=description content=\'"onload="x\'>'
    message_id = chat.posted(chat.alice, 1, chat.pages.page("/hostile", content))
    assert chat.previews(message_id) == [f'127.0.0.1 {SCRIPT}evil </a> "onload="x']
    page = chat.bob.get(f"/rooms/1/messages/{message_id}").text
    assert SCRIPT not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("path", ["/svg", "/missing", "/loop", "/no-http", "/to?http://10.0.0.1/", "/picture-bomb.png"])
def test_a_link_that_cannot_be_fetched_stays_a_link(chat: Chat, path: str) -> None:
    message_id = chat.posted(chat.alice, 1, chat.pages.url + path)
    assert chat.previews(message_id) == []
    assert (
        revision_of(chat, message_id)
        == query(chat.url, f"SELECT posted_revision FROM messages WHERE id = {message_id}")[0][0]
    )


def test_a_picture_that_is_none_leaves_the_words(chat: Chat) -> None:
    content = '<title>Words</title><meta property="og:image" content="{}">'
    for number, picture in enumerate(("/svg", "/picture-bomb.png", "http://169.254.169.254/a.png")):
        address = chat.pages.page(f"/words-{number}", content.format(picture))
        message_id = chat.posted(chat.alice, 1, address)
        assert chat.previews(message_id) == ["127.0.0.1 Words"]
        assert f"/messages/{message_id}/previews/" not in chat.bob.get(f"/rooms/1/messages/{message_id}").text


def test_a_link_to_a_picture_shows_it(chat: Chat) -> None:
    message_id = chat.posted(chat.alice, 1, f"{chat.pages.url}/picture.jpg")
    assert chat.previews(message_id) == ["127.0.0.1 picture.jpg"]
    assert f'<img src="/messages/{message_id}/previews/' in chat.bob.get("/rooms/1").text


def test_editing_a_link_away_removes_its_preview_at_once(chat: Chat) -> None:
    first = chat.pages.page("/first", "<title>First</title>")
    second = chat.pages.page("/second", "<title>Second</title>")
    message_id = chat.posted(chat.alice, 1, f"{first} {second}")
    answer = chat.alice.edit(message_id, f"only {second}")
    assert "Second" in answer.text
    assert "First" not in answer.text
    chat.until_done()
    assert chat.previews(message_id) == ["127.0.0.1 Second"]
    chat.alice.edit(message_id, f"none, or {first}?")
    chat.until_done()
    assert chat.previews(message_id) == ["127.0.0.1 First"]
    chat.alice.edit(message_id, "none")
    assert chat.previews(message_id) == []
    chat.alice.delete(message_id)
    assert query(chat.url, f"SELECT count(*) FROM message_links WHERE message_id = {message_id}")[0][0] == 0


def test_only_the_author_and_managers_remove_a_preview_and_it_stays_removed(chat: Chat) -> None:
    kept = chat.pages.page("/kept", "<title>Kept</title>")
    gone = chat.pages.page("/gone", "<title>Gone</title>")
    carol = sign_up(chat.bob.server, "Carol Clark")
    message_id = chat.posted(chat.bob, 1, f"{kept} {gone}")
    menu = chat.bob.get(f"/messages/{message_id}/actions").text
    (link_id,) = re.findall(r'name="link" value="(\d+)"(?:(?!name="link").)*$', menu, re.DOTALL)
    path = f"/messages/{message_id}/previews/remove"
    assert "Remove preview" not in carol.get(f"/messages/{message_id}/actions").text
    assert carol.submit(path).status_code == 403
    assert chat.bob.submit(path, {"link": link_id}).status_code == 303
    assert chat.previews(message_id) == ["127.0.0.1 Kept"]
    chat.bob.edit(message_id, f"again {gone} {kept}")
    chat.until_done()
    assert chat.previews(message_id) == ["127.0.0.1 Kept"]
    assert "Remove preview" in chat.alice.get(f"/messages/{message_id}/actions").text
    assert chat.alice.submit(path, htmx=True).status_code == 200
    assert chat.previews(message_id) == []


def test_a_picture_is_for_members_while_the_message_shows_it(chat: Chat) -> None:
    room = chat.alice.create_room("Board", "closed")
    message_id = chat.posted(chat.alice, room, f"{chat.pages.url}/article")
    (image,) = re.findall(r'src="(/messages/\d+/previews/\d+)"', chat.alice.get(f"/rooms/{room}").text)
    assert chat.alice.get(image).status_code == 200
    assert chat.bob.get(image).status_code == 404
    assert chat.alice.get(image.rpartition("/")[0] + "/999999").status_code == 404
    chat.alice.submit(f"/messages/{message_id}/previews/remove")
    assert chat.alice.get(image).status_code == 404


def test_a_room_shows_no_previews_if_its_manager_wants_none(chat: Chat) -> None:
    room = chat.alice.create_room("Quiet")
    page = chat.alice.get(f"/rooms/{room}/settings").text
    assert re.search(r'name="shows_previews" value="yes" checked', page)
    assert chat.alice.submit(f"/rooms/{room}/settings", {"shows_previews": "perhaps"}).status_code == 422
    chat.alice.submit(f"/rooms/{room}/settings", {"shows_previews": "no"})
    address = chat.pages.page("/quiet", "<title>Quiet</title>")
    message_id = chat.posted(chat.alice, room, f"{address} /rooms/1/messages/1")
    assert chat.previews(message_id, room, chat.alice) == []
    assert "/quiet" not in chat.pages.paths()


def test_a_link_to_a_message_of_an_open_room_quotes_it_as_it_is_now(chat: Chat) -> None:
    here, original = chat.alice.server.url, chat.post(chat.bob, 1, "the **wifi** is *lantern*")
    room = chat.alice.create_room("Garden")
    quoting = chat.posted(chat.alice, room, f"see {here}/rooms/1/messages/{original}#m-{original}")
    assert chat.previews(quoting, room, chat.alice) == ["Bob Brown the wifi is lantern"]
    page = chat.alice.get(f"/rooms/{room}").text
    assert f'<a class="quoted" href="/rooms/1/messages/{original}#m-{original}"' in page
    chat.bob.edit(original, "the wifi is candle")
    chat.until_done()
    assert chat.previews(quoting, room, chat.alice) == ["Bob Brown the wifi is candle"]
    chat.bob.delete(original)
    chat.until_done()
    assert chat.previews(quoting, room, chat.alice) == ["Bob Brown This message was deleted."]


def test_a_link_within_a_room_quotes_its_message(chat: Chat) -> None:
    room = chat.alice.create_room("Board 2", "closed")
    original = chat.post(chat.alice, room, "a secret")
    within = chat.posted(chat.alice, room, f"[here](/rooms/{room}/messages/{original})")
    outside = chat.posted(chat.alice, 1, f"[here](/rooms/{room}/messages/{original})")
    assert chat.previews(within, room, chat.alice) == ["Alice Adams a secret"]
    before = revision_of(chat, within)
    chat.alice.edit(original, "another secret")
    assert chat.previews(within, room, chat.alice) == ["Alice Adams another secret"]
    chat.until_done()
    assert revision_of(chat, within) == before, "the frame of the original renews it"
    assert chat.previews(outside) == []


def test_a_room_that_closes_is_quoted_no_more(chat: Chat) -> None:
    room = chat.alice.create_room("Plans")
    original = chat.post(chat.alice, room, "the plan")
    quoting = chat.posted(chat.bob, 1, f"[plan](/rooms/{room}/messages/{original})")
    assert chat.previews(quoting) == ["Alice Adams the plan"]
    before = revision_of(chat, quoting)
    chat.alice.submit(f"/rooms/{room}/settings", {"kind": "closed"})
    chat.until_done()
    assert chat.previews(quoting) == []
    assert revision_of(chat, quoting) > before, "open pages are told"
    chat.alice.submit(f"/rooms/{room}/settings", {"kind": "open"})
    chat.until_done()
    assert chat.previews(quoting) == ["Alice Adams the plan"]


def test_links_to_other_pages_of_this_chat_or_to_other_chats_are_not_quoted(chat: Chat) -> None:
    here, original = chat.alice.server.url, chat.post(chat.bob, 1, "an original")
    other = chat.pages.page(f"/rooms/1/messages/{original}", "<title>Another chat</title>")
    message_id = chat.posted(chat.alice, 1, f"{here}/rooms/1 {here}/rooms/2/messages/{original} {other}")
    assert chat.previews(message_id) == ["127.0.0.1 Another chat"]


def test_an_archived_room_keeps_its_links_as_they_are(chat: Chat) -> None:
    room = chat.alice.create_room("Old")
    address = chat.pages.page("/old", "<title>Old</title>")
    change(chat, "ALTER TABLE links_to_show ALTER due_at SET DEFAULT now() + interval '1 hour'")
    try:
        message_id = chat.post(chat.alice, room, address)
        chat.alice.submit(f"/rooms/{room}/archive")
    finally:
        change(chat, "ALTER TABLE links_to_show ALTER due_at SET DEFAULT now()")
    change(chat, "UPDATE links_to_show SET due_at = now()")
    chat.until_done()
    assert chat.previews(message_id, room, chat.alice) == []


def test_a_host_is_asked_for_twenty_pages_a_minute(chat: Chat) -> None:
    address = chat.pages.page("/busy", "<title>Busy</title>")
    filled = f"""
        INSERT INTO link_previews (address, host, expires_at, failure)
        SELECT 'http://127.0.0.1/' || number, '127.0.0.1', now(), 'filled'
        FROM generate_series(1, {page_previews.MOST_A_MINUTE}) AS number
    """
    change(chat, filled)
    message_id = chat.post(chat.alice, 1, address)
    put_off = "SELECT due_at > now() + interval '50 seconds' AND attempts = 0 FROM links_to_show"
    wait(lambda: query(chat.url, put_off) == [(True,)])
    assert "/busy" not in chat.pages.paths()
    change(chat, "DELETE FROM link_previews WHERE failure = 'filled'")
    change(chat, "UPDATE links_to_show SET due_at = now()")
    chat.until_done()
    assert chat.previews(message_id) == ["127.0.0.1 Busy"]


def test_fetched_pages_are_counted_by_outcome(chat: Chat) -> None:
    before = scrape(chat.alice.server)
    address = chat.pages.page("/counted", "<title>Counted</title>")
    chat.posted(chat.alice, 1, f"{address} {chat.pages.url}/nothing-there")
    after = scrape(chat.alice.server)
    for outcome in ("shown", "failed"):
        name = "link_fetches_total"
        assert after.value(name, outcome=outcome) - before.value(name, outcome=outcome) == 1


def test_an_edit_while_a_page_is_fetched_wins(chat: Chat) -> None:
    late, edited = f"{chat.pages.url}/gated", chat.pages.page("/edited", "<title>Edited</title>")
    before = query(chat.url, "SELECT revision FROM rooms WHERE id = 1")[0][0]
    chat.pages.gate.clear()
    message_id = chat.post(chat.alice, 1, late)
    wait(lambda: "/gated" in chat.pages.paths())
    chat.alice.edit(message_id, f"better {edited}")
    chat.pages.gate.set()
    chat.until_done()
    assert chat.previews(message_id) == ["127.0.0.1 Edited"]
    after = query(chat.url, "SELECT revision FROM rooms WHERE id = 1")[0][0]
    assert after - before == 3, "the post, the edit, and the preview of the edited text"


def test_a_message_deleted_while_its_page_is_fetched_shows_nothing(chat: Chat) -> None:
    chat.pages.gate.clear()
    message_id = chat.post(chat.alice, 1, f"{chat.pages.url}/gated?again")
    wait(lambda: "/gated?again" in chat.pages.paths())
    chat.alice.delete(message_id)
    chat.pages.gate.set()
    chat.until_done()
    assert query(chat.url, f"SELECT count(*) FROM message_links WHERE message_id = {message_id}")[0][0] == 0
    assert "This message was deleted." in chat.bob.get(f"/rooms/1/messages/{message_id}").text
