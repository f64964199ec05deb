"""Pinned messages: permissions, the limit, and deletion."""

from tests.support.databases import execute, query, run
from tests.support.people import Person


def pin(person: Person, message_id: int, pinned: str = "yes") -> int:
    return person.submit(f"/messages/{message_id}/pin", {"pinned": pinned}).status_code


def test_pinned_messages_are_listed_newest_first(alice: Person, bob: Person) -> None:
    for text in ("the wifi", "chatter", "the plan"):
        alice.post(1, text)
    assert pin(bob, 1) == pin(alice, 3) == pin(alice, 3) == 303
    page = bob.get("/rooms/1/pinned").text
    assert page.index("the plan") < page.index("the wifi")
    assert "pinned by Bob Brown" in page
    assert "chatter" not in page
    rows = query(alice.server.database_url, "SELECT revision, edited_at FROM messages ORDER BY id")
    assert [tuple(row) for row in rows] == [(4, None), (2, None), (5, None)], "a repeated pin takes no revision"
    room = bob.get("/rooms/1").text
    assert '2<span class="visually-hidden"> pinned</span>' in room
    assert room.count('<small class="pinned">') == 2
    alice.edit(3, "the new plan")
    assert "the new plan" in bob.get("/rooms/1/pinned").text
    from_list = bob.submit("/messages/3/pin", {"pinned": "no", "from": "list"})
    assert from_list.headers["location"] == "/rooms/1/pinned"
    assert "the new plan" not in bob.get("/rooms/1/pinned").text


def test_deleting_a_message_unpins_it(alice: Person) -> None:
    alice.post(1, "gone soon")
    pin(alice, 1)
    alice.delete(1)
    assert "Nothing is pinned here yet" in alice.get("/rooms/1/pinned").text
    assert 'id="pinned"' not in alice.get("/rooms/1").text
    assert pin(alice, 1) == 404


def test_only_members_allowed_to_write_pin_messages(alice: Person, bob: Person) -> None:
    cellar = alice.create_room("Cellar", "closed")
    alice.post(cellar, "a secret")
    assert pin(bob, 1) == 404
    assert bob.get(f"/rooms/{cellar}/pinned").status_code == 404
    alice.submit(f"/rooms/{cellar}/members", {"person": bob.id})
    assert pin(bob, 1) == 303
    alice.submit(f"/rooms/{cellar}/settings", {"posting": "managers"})
    assert pin(bob, 1, "no") == 403
    assert "Unpin" not in bob.get(f"/rooms/{cellar}/pinned").text
    assert "Unpin" not in bob.get("/messages/1/actions").text
    assert pin(alice, 1, "no") == 303
    alice.submit(f"/rooms/{cellar}/archive")
    assert pin(alice, 1) == 403
    direct = bob.open_direct(alice)
    bob.post(direct, "between us")
    assert pin(alice, 2) == pin(bob, 2, "no") == pin(bob, 2) == 303


def test_a_room_has_at_most_fifty_pinned_messages(alice: Person) -> None:
    for number in range(52):
        alice.post(1, f"{number}")
    run(execute(alice.server.database_url, "UPDATE messages SET pinned_at = now() WHERE position <= 49"))
    assert pin(alice, 50) == 303
    refused = alice.submit("/messages/51/pin", {"pinned": "yes"}, htmx=True)
    assert refused.status_code == 403
    assert "at most 50 pinned messages. Unpin one first." in refused.text
    assert pin(alice, 7, "no") == 303
    assert pin(alice, 51) == 303
