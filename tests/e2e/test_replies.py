"""Replies: the chip above the box, the line above the answer, and originals that change."""

from uuid import uuid4

from playwright.sync_api import expect

from tests.support.browsers import LOST_SERVER, Windows, choose, send, unsent
from tests.support.databases import query
from tests.support.people import Person


def reply(person: Person, message_id: int, body: str) -> None:
    fields = {"body": body, "client_id": str(uuid4()), "reply_to": message_id}
    assert person.submit("/rooms/1/messages", fields, htmx=True).status_code == 200


def test_a_reply_names_its_author_and_leads_to_the_original(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "> older\n\nshall we *meet*\nat noon?")
    hers, his = windows.open_as(alice, "/rooms/1"), windows.open_as(bob, "/rooms/1")
    hers.fill("#body", "kept")
    choose(hers, 1, "Reply")
    expect(hers.locator("#replying")).to_contain_text("Replying to Bob Brown")
    expect(hers.locator("#body")).to_be_focused()
    hers.click("#replying > a")
    expect(hers.locator("#replying")).to_be_hidden()
    choose(hers, 1, "Reply")
    hers.reload()
    expect(hers.locator("#replying")).to_contain_text("Replying to Bob Brown")
    hers.focus("#body")
    hers.keyboard.press("End")
    hers.keyboard.type(", yes")
    hers.keyboard.press("Enter")
    for page in (hers, his):
        expect(page.locator("#m-2 .quoted")).to_have_text("Bob Brown shall we meet at noon?")
        expect(page.locator("#m-2 .body")).to_have_text("kept, yes")
    expect(hers.locator("#replying")).to_be_hidden()
    tint = "row => getComputedStyle(row, '::after').backgroundColor"
    assert his.locator("#m-2").evaluate(tint) != hers.locator("#m-2").evaluate(tint), "it is a mention"
    send(hers, "no answer")
    expect(hers.locator("#m-3 .body")).to_have_text("no answer")
    expect(hers.locator("#m-3 .quoted")).to_have_count(0)
    hers.click("#m-2 .quoted")
    expect(hers).to_have_url(f"{alice.server.url}/rooms/1#m-1")
    expect(hers.locator("#m-1:target")).to_be_in_viewport()


def test_answers_show_edits_and_deletions_of_their_original(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "first")
    bob.post(1, "second")
    for number in range(60):
        alice.post(1, f"{number}")
    reply(alice, 1, "to the first")
    reply(alice, 2, "to the second")
    near, far = windows.open_as(alice, "/rooms/1/messages/2"), windows.open_as(bob, "/rooms/1", expected=LOST_SERVER)
    expect(near.locator("#m-1")).to_be_attached()
    expect(far.locator("#m-1")).not_to_be_attached()
    quoted = far.locator("#m-63 .quoted")
    expect(quoted).to_have_text("Bob Brown first")
    bob.edit(1, "first, mended")
    expect(quoted).to_have_text("Bob Brown first, mended")
    far.context.set_offline(True)
    far.evaluate("document.getElementById('live')._htmx.ws.connection.socket.close()")
    bob.submit("/profile/name", {"name": "Robert"})
    bob.delete(1)
    bob.edit(2, "second, mended")
    far.context.set_offline(False)
    expect(far.locator("#m-64 .quoted")).to_contain_text("second, mended", timeout=20_000)
    expect(quoted).to_contain_text("This message was deleted.")
    far.click("#m-63 .quoted")
    expect(far).to_have_url(f"{alice.server.url}/rooms/1/messages/1#m-1")
    far.goto(f"{alice.server.url}/rooms/1")
    expect(quoted).to_have_text("Robert This message was deleted.")
    expect(far.locator("#m-64 .quoted")).to_have_text("Robert second, mended")


def test_a_waiting_reply_keeps_its_original(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "shall we?")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.route("**/rooms/1/messages", lambda route: route.abort())
    choose(page, 1, "Reply")
    send(page, "yes")
    expect(unsent(page).locator(".quoted")).to_have_text("Bob Brown shall we?")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    unsent(page).get_by_text("Edit").click()
    expect(page.locator("#replying")).to_contain_text("Replying to Bob Brown")
    page.unroute("**/rooms/1/messages")
    page.keyboard.press("Enter")
    expect(page.locator("#m-2 .quoted")).to_have_text("Bob Brown shall we?")


def test_a_member_replies_without_javascript(alice: Person, bob: Person, windows: Windows) -> None:
    bob.post(1, "shall we?")
    page = windows.open_as(alice, "/messages/1/actions", java_script_enabled=False, expected=("422",))
    page.click("main >> text=Reply")
    expect(page.locator("#replying")).to_contain_text("Replying to Bob Brown")
    page.fill("#body", "x" * 10_001)
    page.click(".send")
    expect(page.locator("#replying")).to_contain_text("Replying to Bob Brown")
    page.fill("#body", "yes")
    page.click(".send")
    expect(page.locator("#m-2 .quoted")).to_have_text("Bob Brown shall we?")


def test_a_reply_mentions_the_author_and_shows_nothing_of_other_rooms(alice: Person, bob: Person) -> None:
    bob.post(1, "shall we?")
    board = alice.create_room("Board", "closed")
    alice.post(board, "secret")
    reply(alice, 1, "yes")
    reply(bob, 2, "no such message here")
    url = alice.server.database_url
    rows = query(url, "SELECT id, reply_to_id FROM messages WHERE id > 2 ORDER BY id")
    assert [tuple(row) for row in rows] == [(3, 1), (4, None)]
    assert "secret" not in bob.get("/rooms/1").text
    alice.edit(3, "yes, at noon")
    assert [tuple(row) for row in query(url, "SELECT message_id, user_id FROM mentions")] == [(3, bob.id)]
    query(url, "UPDATE messages SET reply_to_id = 2 WHERE id = 4 RETURNING 1")
    assert "secret" not in bob.get("/rooms/1/messages/4").text
