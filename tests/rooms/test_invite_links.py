"""A room's invite link: who makes it, where it leads, and when it leads there no longer."""

import re
from xml.etree import ElementTree

import pytest

from tests.support.databases import execute, query, run
from tests.support.people import PASSWORD, Person, browser
from tests.support.server import ChatServer


@pytest.fixture
def board(bob: Person) -> int:
    """A closed room of Bob's."""
    return bob.create_room("Board", "closed")


def link(person: Person, room_id: int, days: str = "7") -> str:
    """A new link, as a path."""
    made = person.submit(f"/rooms/{room_id}/invite", {"days": days})
    assert made.status_code == 303, made.text
    page = person.get(f"/rooms/{room_id}/invite").text
    return re.findall(rf'value="{person.server.url}(/join/[\w-]+)"', page)[0]


def sign_up_by(server: ChatServer, path: str, name: str) -> tuple[Person, int, str]:
    """Sign somebody up through a link; the answer's status, and where it leads."""
    person = Person(name, f"{name.lower()}@example.org", browser(server), server)
    landing = person.get(path).text
    action = re.findall(r'href="/sign-up\?invite=([\w-]+)"', landing)
    invite = action[0] if action else path.rsplit("/", 1)[-1]
    fields = {"name": name, "email": person.email, "password": PASSWORD, "invite": invite}
    answer = person.submit("/sign-up", fields)
    return person, answer.status_code, answer.headers.get("location", "")


def test_whoever_has_the_link_comes_in(alice: Person, bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    assert len(path) >= len("/join/") + 24, "nobody guesses it"
    assert link(bob, board) != path
    path = link(bob, board)
    bob.post(board, "a secret")
    page = carol.get(path)
    assert page.status_code == 200
    assert "You are invited to Board" in page.text
    assert "a secret" not in page.text
    assert carol.get(f"/rooms/{board}").status_code == 404, "looking is not joining"
    joined = carol.submit(path)
    assert (joined.status_code, joined.headers["location"]) == (303, f"/rooms/{board}")
    assert carol.reads(board) == ["a secret"]
    again = carol.client.get(path)
    assert (again.status_code, again.headers["location"]) == (303, f"/rooms/{board}")
    assert carol.submit(path).status_code == 303, "twice is fine"
    row = query(
        alice.server.database_url, "SELECT role FROM memberships WHERE room_id = $1 AND user_id = $2", board, carol.id
    )[0]
    assert row["role"] == "member"


def test_who_follows_it_into_a_room_that_everybody_has_left_owns_it(bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    bob.submit(f"/rooms/{board}/leave")
    assert carol.submit(path).status_code == 303
    assert bob.submit(path).status_code == 303
    assert bob.submit(f"/rooms/{board}/settings", {"topic": "mine"}).status_code == 403
    assert carol.submit(f"/rooms/{board}/settings", {"topic": "mine"}).status_code == 303


def test_only_managers_see_and_make_it(alice: Person, bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    carol.submit(path)
    for person, status in ((carol, 403), (alice, 404)):
        assert person.get(f"/rooms/{board}/invite").status_code == status
        assert person.get(f"/rooms/{board}/invite.svg").status_code == status
        assert person.submit(f"/rooms/{board}/invite", {"days": ""}).status_code == status
        assert person.submit(f"/rooms/{board}/invite/end").status_code == status
    assert "Invite link" not in carol.get(f"/rooms/{board}/members").text
    pair = alice.open_direct(bob)
    assert alice.get(f"/rooms/{pair}/invite").status_code == 403
    assert alice.submit(f"/rooms/{pair}/invite", {"days": "7"}).status_code == 403
    assert alice.submit(f"/rooms/{pair}/invite/end").status_code == 403
    wrong = bob.submit(f"/rooms/{board}/invite", {"days": "400"})
    assert wrong.status_code == 422
    assert "how long the link works" in wrong.text


def test_a_link_ends_with_its_time_its_successor_or_its_switch(
    alice: Person, bob: Person, carol: Person, board: int
) -> None:
    first = link(bob, board, "1")
    second = link(bob, board, "30")
    assert carol.get(first).status_code == 404
    assert "works no longer" in carol.get(first).text
    assert carol.submit(first).status_code == 410
    assert carol.get(second).status_code == 200
    database = alice.server.database_url
    run(execute(database, "UPDATE rooms SET invite_expires_at = invite_expires_at - interval '31 days'"))
    assert carol.get(second).status_code == 410
    assert carol.submit(second).status_code == 410
    assert bob.get(f"/rooms/{board}/invite.svg").status_code == 404
    assert "has expired" in bob.get(f"/rooms/{board}/invite").text
    lasting = link(bob, board, "")
    assert query(database, "SELECT invite_expires_at FROM rooms WHERE id = $1", board)[0][0] is None
    assert carol.get(lasting).status_code == 200
    bob.submit(f"/rooms/{board}/archive")
    assert carol.get(lasting).status_code == 404
    bob.submit(f"/rooms/{board}/restore")
    assert bob.submit(f"/rooms/{board}/invite/end").status_code == 303
    assert carol.get(lasting).status_code == 404
    assert carol.get(f"/rooms/{board}").status_code == 404
    for odd in ("%00", "x" * 500, "%F0%9F%91%8B"):
        assert carol.get(f"/join/{odd}").status_code == 404


def test_somebody_without_an_account_signs_up_with_it_even_where_sign_up_is_closed(
    alice: Person, bob: Person, board: int
) -> None:
    alice.submit("/admin/sign-up", {"open": "no"})
    path = link(bob, board)
    dora, status, where = sign_up_by(alice.server, path, "Dora")
    assert (status, where) == (303, f"/rooms/{board}")
    assert dora.post(board, "thank you").status_code == 200
    assert dora.post(1, "and hello everybody").status_code == 200
    bob.submit(f"/rooms/{board}/invite/end")
    _, status, _ = sign_up_by(alice.server, path, "Emil")
    assert status == 403
    eve = Person("Eve", "eve@example.org", browser(alice.server), alice.server)
    fields = {"name": "Eve", "email": eve.email, "password": PASSWORD, "invite": ""}
    assert eve.submit("/sign-up", fields).status_code == 403


def test_somebody_signed_out_signs_in_and_comes_back(bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    carol.submit("/sign-out")
    assert f"/sign-in?next={path}" in carol.get(path).text
    assert carol.submit(path).status_code == 303, "to the door"
    back = carol.submit("/sign-in", {"email": carol.email, "password": PASSWORD, "next": path})
    assert back.headers["location"] == path
    assert "You come in as Carol Clark" in carol.get(path).text


def test_the_qr_code_is_a_picture_that_the_policy_allows(bob: Person, board: int) -> None:
    link(bob, board)
    answer = bob.get(f"/rooms/{board}/invite.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"
    assert "style" not in answer.text
    assert ElementTree.fromstring(answer.content).tag.endswith("svg")
