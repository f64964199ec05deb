"""Messages that a page posts over its websocket, and those for which it needs a request."""

import re

import pytest
from playwright.sync_api import Page, Request, expect

from tests.support.browsers import LOST_SERVER, Windows, send, unsent, wait_until, wait_until_runs
from tests.support.databases import execute, run
from tests.support.people import Person

POSTS = re.compile(r"/rooms/\d+/messages$")

# Loses the answers, or the texts with the connection, as a bad line does.
LOSE_ANSWERS = """() => document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    if (!/^(un)?posted/.test(event.detail.message.data)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
}, true)"""
LOSE_TEXTS = """() => {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
        WebSocket.prototype.send = send;
        this.close();
    };
}"""


def requests_of(page: Page) -> list[str]:
    """Return a list that gets the text of every message that the page posts by a request."""
    found: list[str] = []

    def note(request: Request) -> None:
        if POSTS.search(request.url):
            found.append(request.post_data or "")

    page.on("request", note)
    return found


def test_a_short_message_needs_no_request(alice: Person, bob: Person, windows: Windows) -> None:
    page, other = (windows.open_as(person, "/rooms/1") for person in (alice, bob))
    requests = requests_of(page)
    texts = ["one & two", "two lines:\nthis is the second", "Zürich 🏔 <b>"]
    for text in texts:
        send(page, text)
    for each in (page, other):
        expect(each.locator("#messages .body")).to_have_text(texts)
    expect(unsent(page)).to_have_count(0)
    assert requests == []
    assert len(alice.reads(1)) == len(texts)


@pytest.mark.parametrize(
    "text",
    ["hello @Bob Brown", "/shrug", "x" * 2001, "http://localhost/rooms/1", "see www.example.org"],
    ids=["mention", "command", "long", "link", "bare link"],
)
def test_a_message_that_takes_more_goes_by_a_request_at_once(
    alice: Person, bob: Person, windows: Windows, text: str
) -> None:
    page = windows.open_as(alice, "/rooms/1")
    requests = requests_of(page)
    send(page, text)
    expect(page.locator("#messages .body")).to_have_count(1)
    assert len(requests) == 1
    # A message after it takes the short way again.
    send(page, "and more")
    expect(page.locator("#messages .body")).to_have_count(2)
    assert len(requests) == 1


def test_a_message_whose_answer_is_lost_is_posted_once(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.evaluate(LOSE_ANSWERS)
    requests = requests_of(page)
    send(page, "first")
    send(page, "second")
    wait_until(lambda: len(requests) == 2, page)
    expect(page.locator("#messages .body")).to_have_text(["first", "second"])
    expect(unsent(page)).to_have_count(0)
    assert alice.reads(1) == ["first", "second"]


def test_a_message_lost_with_the_connection_is_posted_at_once(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.evaluate(LOSE_TEXTS)
    requests = requests_of(page)
    send(page, "first")
    expect(page.locator("#messages .body")).to_have_text(["first"])
    assert len(requests) == 1
    expect(page.locator("html")).to_have_attribute("data-connection", "open")
    send(page, "second")
    expect(page.locator("#messages .body")).to_have_text(["first", "second"])
    assert len(requests) == 1


def test_a_message_that_is_refused_says_why(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=["422"])
    run(execute(alice.server.database_url, "UPDATE rooms SET archived_at = now()"))
    send(page, "too late")
    expect(unsent(page)).to_contain_text("This room is archived.")
    run(execute(alice.server.database_url, "UPDATE rooms SET archived_at = NULL"))
    unsent(page).get_by_text("Retry").click()
    expect(page.locator("#messages .body")).to_have_text(["too late"])


def test_a_message_of_a_room_that_was_left_is_posted_there(alice: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    page = windows.open_as(alice, "/rooms/1")
    wait_until_runs(page, "switching")
    requests = requests_of(page)
    # Both in one moment: the text, and the click on the other room.
    page.fill("#body", "for the lobby")
    page.evaluate(
        """room => {
            document.getElementById("composer").requestSubmit();
            document.querySelector(`#sidebar a[data-room="${room}"]`).click();
        }""",
        garden,
    )
    expect(page).to_have_url(re.compile(f"/rooms/{garden}$"))
    wait_until(lambda: alice.reads(1) == ["for the lobby"], page)
    expect(unsent(page)).to_have_count(0)
    assert requests == []
    assert alice.reads(garden) == []
