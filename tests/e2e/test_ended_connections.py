"""Going on with a page whose connection the server has ended: every way leads to a page that is live."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_switching import same_page, to_room
from tests.support.browsers import Windows, wait_until_live
from tests.support.people import Person, first_run
from tests.support.server import ChatServer
from tests.support.uploading import send_file

# The server does not hear of the next rooms that the page shows.
SAY_NOTHING = """() => {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
        if (!text.startsWith("switch ")) send.call(this, text);
    };
}"""

GO = """path => document.body.appendChild(Object.assign(document.createElement("a"), { href: path })).click()"""


def wait_until_live_again(page: Page) -> None:
    """Wait for the connection of a page that is loaded meanwhile."""
    expect(page.locator("html")).to_have_attribute("data-connection", "open")


def by_reload(page: Page) -> None:
    page.click("#notice >> text=Reload")


def by_another_room(page: Page) -> None:
    page.click("#sidebar .rooms >> text=Lobby")


def by_the_same_room(page: Page) -> None:
    page.click("#sidebar .rooms >> text=Garden")


def by_the_way_back(page: Page) -> None:
    page.go_back()


@pytest.mark.parametrize("go_on", [by_reload, by_another_room, by_the_same_room, by_the_way_back])
def test_a_page_too_many_is_live_again_when_its_reader_goes_on(
    go_on: Callable[[Page], None], start_server: Callable[..., ChatServer], database_url: str, windows: Windows
) -> None:
    alice = first_run(start_server(database_url, PAGES_PER_PERSON="1"))
    garden = alice.create_room("Garden")
    page = windows.open_as(alice, "/rooms/1")
    same_page(page)
    to_room(page, "Garden")
    page.fill("#body", "half a thought")
    other = page.context.new_page()
    other.goto(f"{alice.server.url}/list")
    wait_until_live(other)
    expect(page.locator("#notice")).to_contain_text("too many pages")
    alice.post(1, "missed in the lobby")
    alice.post(garden, "missed in the garden")
    go_on(page)
    expect(other.locator("#notice")).to_contain_text("too many pages")
    wait_until_live_again(page)
    name, room = ("Garden", garden) if go_on in (by_reload, by_the_same_room) else ("Lobby", 1)
    expect(page.locator("h1")).to_contain_text(name)
    expect(page.locator("#notice")).to_be_empty()
    alice.post(room, "seen")
    expect(page.locator("#messages .body")).to_have_text([f"missed in the {name.lower()}", "seen"])
    expect(page.locator("#body")).to_have_value("half a thought" if room == garden else "")


@pytest.mark.parametrize("to", ["text=Back to your rooms", "#sidebar .rooms >> text=Lobby"])
def test_a_page_of_a_room_that_is_closed_to_its_reader_is_live_elsewhere(
    alice: Person, bob: Person, windows: Windows, to: str
) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    page = windows.open_as(bob, f"/rooms/{garden}")
    same_page(page)
    alice.submit(f"/rooms/{garden}/delete", {"name": "Garden"})
    expect(page.locator("#notice")).to_contain_text("Garden was deleted")
    page.click(to)
    expect(page).to_have_url(re.compile("/list$|/rooms/1$"))
    wait_until_live_again(page)
    bob.join(alice.create_room("Kitchen"))
    expect(page.locator("#sidebar .rooms >> text=Kitchen")).to_be_visible()


def test_a_page_that_has_just_left_a_room_bears_the_end_of_its_connection(
    alice: Person, bob: Person, windows: Windows
) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    page = windows.open_as(bob, f"/rooms/{garden}")
    same_page(page)
    page.evaluate(f"({SAY_NOTHING})()")
    to_room(page, "Lobby")
    page.fill("#body", "half a thought")
    with page.expect_event("load"):
        alice.submit(f"/rooms/{garden}/members/{bob.id}/remove")
    wait_until_live_again(page)
    expect(page.locator("h1")).to_contain_text("Lobby")
    alice.post(1, "seen")
    expect(page.locator("#messages .body")).to_have_text(["seen"])
    expect(page.locator("#body")).to_have_value("half a thought")


def test_a_page_about_a_room_is_left_with_it_after_a_download(alice: Person, bob: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    bob.join(garden)
    path = send_file(alice, "plan.pdf", b"%PDF-1.4 plan")
    page = windows.open_as(bob, f"/rooms/{garden}/settings")
    with page.expect_download():
        page.evaluate(GO, f"{path}?download")
    alice.submit(f"/rooms/{garden}/delete", {"name": "Garden"})
    expect(page).to_have_url(re.compile("/rooms/1$|/list$|/$"))
    wait_until_live_again(page)
