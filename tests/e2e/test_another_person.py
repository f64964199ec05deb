"""Pages of a person that are open when another one signs in with the same browser."""

from playwright.sync_api import Page, expect

from tests.support.browsers import LOST_SERVER, Windows, post_by_forms, send, unsent, wait_until_live
from tests.support.people import Person
from tests.support.sessions import open_session

CLOSE = "document.getElementById('live')._htmx.ws.connection.socket.close()"


def sign_in(page: Page, person: Person) -> None:
    """Sign another person in with the browser of a page, as another tab would."""
    user_agent: str = page.evaluate("navigator.userAgent")
    for name, value in open_session(person, user_agent).items():
        page.context.add_cookies([{"name": name, "value": value, "url": person.server.url, "httpOnly": True}])


def test_a_message_that_waits_is_sent_by_nobody_but_its_author(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    post_by_forms(page)
    page.route("**/rooms/1/messages", lambda route: route.abort())
    send(page, "from Alice")
    expect(page.get_by_text("Waiting for the connection.")).to_be_visible()
    sign_in(page, bob)
    with page.expect_event("load"):
        page.unroute_all()
    expect(page.locator("html")).to_have_attribute("data-me", str(bob.id))
    expect(unsent(page)).to_have_count(0)
    expect(page.locator("#messages > li")).to_have_count(0)
    sign_in(page, alice)
    page.reload()
    expect(page.locator("#messages .author")).to_have_text([alice.name])
    expect(page.locator("#messages .body")).to_have_text(["from Alice"])


def test_a_page_gets_no_connection_of_somebody_else(alice: Person, bob: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    sign_in(page, bob)
    page.evaluate(CLOSE)
    expect(page.locator("#notice")).to_contain_text("You are signed out")
    page.reload()
    wait_until_live(page)
    expect(page.locator("html")).to_have_attribute("data-me", str(bob.id))
