"""Reactions: a click adds, another removes; every reader sees them, even after an absence."""

from playwright.sync_api import Page, expect

from tests.support.browsers import LOST_SERVER, Windows, choose
from tests.support.databases import query
from tests.support.people import Person


def reactions(page: Page, message_id: int) -> list[str]:
    shown = page.locator(f"#m-{message_id} .reaction")
    return [f"{each.get_attribute('value')} {each.get_attribute('title')}" for each in shown.all()]


def test_a_click_adds_a_reaction_and_another_removes_it(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    hers, his = windows.open_as(alice, "/rooms/1"), windows.open_as(bob, "/rooms/1")
    his.hover("#m-1")
    his.click("#bar button >> nth=0")
    for page in (hers, his):
        expect(page.locator("#m-1 .reaction")).to_have_count(1)
        assert reactions(page, 1) == ["👍 Bob Brown"]
    hers.click("#m-1 .reaction")
    expect(his.locator("#m-1 .reaction")).to_contain_text("👍 2")
    assert reactions(his, 1) == ["👍 Bob Brown, Alice Adams"]
    border = "element => getComputedStyle(element).borderColor"
    hers.click("#m-1 .reaction")
    expect(his.locator("#m-1 .reaction")).to_contain_text("👍 1")
    expect(hers.locator("#m-1 .reaction")).to_contain_text("👍 1")
    hers.mouse.move(0, 0)
    assert hers.locator(".reaction").evaluate(border) != his.locator(".reaction").evaluate(border)
    his.click("#m-1 .reaction")
    expect(hers.locator("#m-1 .reaction")).to_have_count(0)


def test_a_member_picks_any_emoji_and_returning_readers_see_it(alice: Person, bob: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    hers, his = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER), windows.open_as(bob, "/rooms/1")
    hers.context.set_offline(True)
    hers.evaluate("document.getElementById('live')._htmx.ws.connection.socket.close()")
    choose(his, 1, "Add a reaction")
    his.locator("#menu input").press_sequentially("shortcake")
    expect(his.locator("#menu .found button")).to_have_count(1)
    his.click("#menu .found button")
    expect(his.locator("#m-1 .reaction")).to_have_attribute("value", "🍰")
    expect(his.locator("#menu")).to_be_hidden()
    his.click("#m-1 .react")
    expect(his.locator("#menu input")).to_be_focused()
    his.keyboard.press("Escape")
    alice.post(1, "later")
    hers.context.set_offline(False)
    expect(hers.locator("#m-2")).to_be_visible(timeout=15_000)
    assert reactions(hers, 1) == ["🍰 Bob Brown"]


def test_reactions_take_revisions_and_reach_pages_like_edits(alice: Person, bob: Person) -> None:
    url = alice.server.database_url
    alice.post(1, "one")
    for person, emoji in ((bob, "👍"), (alice, "👍"), (bob, "🎉")):
        assert person.submit("/messages/1/reactions", {"emoji": emoji}).status_code == 303
    row = query(url, "SELECT messages.revision, rooms.revision, edited_at FROM messages JOIN rooms ON true")[0]
    assert tuple(row) == (4, 4, None)
    alice.edit(1, "two")
    assert alice.get("/messages/1", **{"HX-Request": "true"}).text.count('class="reaction"') == 2
    bob.submit("/profile/name", {"name": "Robert"})
    assert 'title="Robert, Alice Adams"' in alice.get("/rooms/1").text
    alice.delete(1)
    assert query(url, "SELECT reactions::text FROM messages")[0][0] == "[]"
    assert bob.submit("/messages/1/reactions", {"emoji": "👍"}).status_code == 404
    cellar = alice.create_room("Cellar", "closed")
    alice.post(cellar, "secret")
    assert bob.submit("/messages/2/reactions", {"emoji": "👍"}).status_code == 404
    for text in ("", "x", "👍👍", "<b>"):
        assert alice.submit("/messages/2/reactions", {"emoji": text}).status_code == 422


def test_a_member_reacts_without_javascript(alice: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    page = windows.open_as(alice, "/messages/1/reactions", java_script_enabled=False)
    page.click("button[value='🎉']")
    expect(page.locator("#m-1 .reaction")).to_contain_text("🎉 1")
    page.click("#m-1 .reaction")
    expect(page.locator(".reaction")).to_have_count(0)


def test_a_reaction_that_cannot_be_sent_shows_an_error(alice: Person, windows: Windows) -> None:
    alice.post(1, "cake?")
    alice.submit("/messages/1/reactions", {"emoji": "🎉"})
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.route("**/messages/1/reactions", lambda route: route.abort())
    page.click("#m-1 .reaction")
    expect(page.locator("#notice .notice")).to_have_text("The server cannot be reached. Try that again in a moment.")
    expect(page.locator("#m-1 .reaction")).to_have_count(1)
    page.evaluate("document.getElementById('live')._htmx.ws.connection.socket.close()")
    expect(page.locator("#notice .notice")).to_have_count(0)
