"""Invite links: making, following, limiting and ending them."""

import re
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from tests.support.databases import execute, query, run
from tests.support.people import PASSWORD, Person, browser, sign_up
from tests.support.server import ChatServer


@pytest.fixture
def board(bob: Person) -> int:
    """A closed room of Bob's."""
    return bob.create_room("Board", "closed")


def link(person: Person, room_id: int, days: str = "7", uses: str = "25") -> str:
    """A new link, as a path."""
    made = person.submit(f"/rooms/{room_id}/invite", {"days": days, "uses": uses})
    assert made.status_code == 303, made.text
    page = person.get(f"/rooms/{room_id}/invite").text
    return str(re.findall(rf'value="{person.server.url}(/join/[\w-]+)"', page)[0])


def sign_up_by(server: ChatServer, path: str, name: str) -> tuple[Person, int, str]:
    """Sign a newcomer up through a link; returns the answer's status and the page it leads to."""
    person = Person(name, f"{name.lower()}@example.org", browser(server), server)
    landing = person.get(path).text
    action = re.findall(r'href="/sign-up\?invite=([\w-]+)"', landing)
    invite = action[0] if action else path.rsplit("/", 1)[-1]
    fields = {"name": name, "email": person.email, "password": PASSWORD, "invite": invite}
    answer = person.submit("/sign-up", fields)
    return person, answer.status_code, answer.headers.get("location", "")


def test_a_member_with_the_link_joins_the_room(alice: Person, bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    assert len(path) >= len("/join/") + 24, "too long to guess"
    assert link(bob, board) != path
    path = link(bob, board)
    bob.post(board, "a secret")
    page = carol.get(path)
    assert page.status_code == 200
    assert "You are invited to Board" in page.text
    assert "a secret" not in page.text
    assert carol.get(f"/rooms/{board}").status_code == 404, "opening the link does not join the room"
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


def test_the_first_member_to_follow_a_link_into_an_empty_room_owns_it(bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    bob.submit(f"/rooms/{board}/leave")
    assert carol.submit(path).status_code == 303
    assert bob.submit(path).status_code == 303
    assert bob.submit(f"/rooms/{board}/settings", {"topic": "mine"}).status_code == 403
    assert carol.submit(f"/rooms/{board}/settings", {"topic": "mine"}).status_code == 303


def test_only_managers_see_and_make_the_link(alice: Person, bob: Person, carol: Person, board: int) -> None:
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


def test_a_link_ends_when_expired_replaced_or_switched_off(
    alice: Person, bob: Person, carol: Person, board: int
) -> None:
    first = link(bob, board, "1")
    second = link(bob, board, "30")
    assert carol.get(first).status_code == 404
    assert "no longer works" in carol.get(first).text
    assert carol.submit(first).status_code == 410
    assert carol.get(second).status_code == 200
    database = alice.server.database_url
    run(execute(database, "UPDATE invites SET expires_at = expires_at - interval '31 days'"))
    assert carol.get(second).status_code == 410
    assert carol.submit(second).status_code == 410
    assert bob.get(f"/rooms/{board}/invite.svg").status_code == 404
    assert "has expired" in bob.get(f"/rooms/{board}/invite").text
    lasting = link(bob, board, "")
    assert query(database, "SELECT expires_at FROM invites WHERE room_id = $1", board)[0][0] is None
    assert carol.get(lasting).status_code == 200
    bob.submit(f"/rooms/{board}/archive")
    assert carol.get(lasting).status_code == 404
    bob.submit(f"/rooms/{board}/restore")
    assert bob.submit(f"/rooms/{board}/invite/end").status_code == 303
    assert carol.get(lasting).status_code == 404
    assert carol.get(f"/rooms/{board}").status_code == 404
    for odd in ("%00", "x" * 500, "%F0%9F%91%8B"):
        assert carol.get(f"/join/{odd}").status_code == 404


def test_a_rooms_link_signs_newcomers_up_if_an_administrator_allows_it(alice: Person, bob: Person, board: int) -> None:
    alice.submit("/admin/sign-up", {"open": "no", "strangers": "yes"})
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


def test_a_signed_out_member_signs_in_and_returns_to_the_link(bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    carol.submit("/sign-out")
    assert f"/sign-in?next={path}" in carol.get(path).text
    assert carol.submit(path).status_code == 303, "to the sign-in page"
    back = carol.submit("/sign-in", {"email": carol.email, "password": PASSWORD, "next": path})
    assert back.headers["location"] == path
    assert "You join as Carol Clark" in carol.get(path).text


def test_the_qr_code_is_an_image_that_the_csp_allows(bob: Person, board: int) -> None:
    link(bob, board)
    answer = bob.get(f"/rooms/{board}/invite.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"
    assert "style" not in answer.text
    assert ElementTree.fromstring(answer.content).tag.endswith("svg")


def chat_link(alice: Person, **choice: str) -> str:
    """A new link to the chat itself, as a path."""
    assert alice.submit("/admin/invite", choice).status_code == 303
    return str(re.findall(rf'value="{alice.server.url}(/invite/[\w-]+)"', alice.get("/admin").text)[0])


def test_a_rooms_link_signs_no_newcomer_up_by_default(alice: Person, bob: Person, carol: Person, board: int) -> None:
    alice.submit("/admin/sign-up", {"open": "no"})
    path = link(bob, board)
    assert "if they have an account" in bob.get(f"/rooms/{board}/invite").text
    stranger = browser(alice.server)
    page = stranger.get(path).text
    assert "/sign-up" not in page
    assert "Ask an administrator" in page
    assert "By invitation" in stranger.get("/sign-up", params={"invite": path.split("/")[2]}).text
    _, status, _ = sign_up_by(alice.server, path, "Dora")
    assert status == 403
    assert query(alice.server.database_url, "SELECT count(*) FROM users")[0][0] == 3
    assert carol.submit(path).status_code == 303, "members may join"
    assert sign_up(alice.server, "Emil", chat_link(alice).split("/")[2])
    alice.submit("/admin/sign-up", {"open": "no", "strangers": "yes"})
    _, status, where = sign_up_by(alice.server, path, "Frieda")
    assert (status, where) == (303, f"/rooms/{board}")
    alice.submit("/admin/sign-up", {"open": "no"})
    _, status, _ = sign_up_by(alice.server, path, "Gustav")
    assert status == 403


def test_links_expire_and_have_limited_uses_by_default(alice: Person, bob: Person, board: int) -> None:
    assert bob.submit(f"/rooms/{board}/invite").status_code == 303
    alice.submit("/admin/sign-up", {"open": "no"})
    usual = "SELECT most_uses, round(extract(epoch FROM expires_at - created_at) / 86400)::int AS days FROM invites"
    usual += " WHERE room_id IS DISTINCT FROM 1"
    assert [tuple(row) for row in query(alice.server.database_url, usual)] == [(25, 7)] * 2
    link(bob, board, "30", "1")
    chat_link(alice, days="1", uses="100")
    assert [tuple(row) for row in query(alice.server.database_url, f"{usual} ORDER BY days")] == [(100, 1), (1, 30)]
    link(bob, board, "", "")
    assert "until you switch it off" in bob.get(f"/rooms/{board}/invite").text
    for bad in ({"days": "8"}, {"uses": "26"}, {"uses": "-1"}, {"days": "x", "uses": "\0"}):
        for refused in (alice.submit("/admin/invite", bad), bob.submit(f"/rooms/{board}/invite", bad)):
            assert refused.status_code == 422
            assert refused.text.count("field-error") == len(bad)
    kept = bob.submit(f"/rooms/{board}/invite", {"days": "30", "uses": "26"}).text
    assert '<option value="30" selected>' in kept, "the choice is kept"


def test_each_member_uses_a_link_once_and_it_ends_with_its_last_use(
    alice: Person, bob: Person, carol: Person, board: int
) -> None:
    path = link(bob, board, uses="1")
    assert "It was used 0 of 1 time." in bob.get(f"/rooms/{board}/invite").text
    for _ in range(2):
        assert carol.submit(path).headers["location"] == f"/rooms/{board}"
    dora = sign_up(alice.server, "Dora")
    assert dora.get(path).status_code == 410
    assert dora.submit(path).status_code == 410
    assert dora.get(f"/rooms/{board}").status_code == 404
    assert "is used up" in bob.get(f"/rooms/{board}/invite").text
    assert bob.get(f"/rooms/{board}/invite.svg").status_code == 404
    carol.submit(f"/rooms/{board}/leave")
    assert carol.submit(path).status_code == 410, "leaving gives no use back"


def test_simultaneous_joins_do_not_exceed_the_links_uses(alice: Person, bob: Person, board: int) -> None:
    path = link(bob, board, uses="5")
    people = [sign_up(alice.server, f"Person {number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda person: person.submit(path).status_code, people * 2))
    members = query(alice.server.database_url, "SELECT count(*) FROM memberships WHERE room_id = $1", board)[0][0]
    uses = query(alice.server.database_url, "SELECT uses FROM invites WHERE room_id = $1", board)[0][0]
    assert (members, uses) == (1 + 5, 5)
    assert (answers.count(303), answers.count(410)) == (10, 6)


def test_two_simultaneous_sign_ups_cannot_share_a_links_last_use(alice: Person) -> None:
    alice.submit("/admin/sign-up", {"open": "no"})
    path = chat_link(alice, uses="1")
    with ThreadPoolExecutor(4) as pool:
        statuses = list(
            pool.map(lambda name: sign_up_by(alice.server, path, name)[1], ("Anna", "Berta", "Clara", "Dora"))
        )
    assert sorted(statuses) == [303, 403, 403, 403]
    database = alice.server.database_url
    assert query(database, "SELECT count(*) FROM users")[0][0] == 2
    assert query(database, "SELECT count(*) FROM sessions")[0][0] == 2
    assert "is used up" in alice.get("/admin").text


def test_an_administrator_sees_and_ends_every_link(alice: Person, bob: Person, carol: Person, board: int) -> None:
    path = link(bob, board)
    carol.submit(path)
    chat_link(alice)
    page = alice.get("/admin/invites").text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Board To this room, made by Bob Brown," in text
    assert "used 1 of 25 times" in text
    assert "Willow Street School To this chat, made by Alice Adams," in text
    assert path.split("/")[2] not in page, "a closed room is not opened to administrators"
    number = query(alice.server.database_url, "SELECT id FROM invites WHERE room_id = $1", board)[0][0]
    for nobody in (bob, carol):
        assert nobody.get("/admin/invites").status_code == 404
        assert nobody.submit(f"/admin/invites/{number}/end").status_code == 404
    assert carol.get(path).status_code == 200
    assert alice.submit(f"/admin/invites/{number}/end").headers["location"] == "/admin/invites?saved=ended"
    assert sign_up(alice.server, "Dora").get(path).status_code == 404
    assert alice.submit(f"/admin/invites/{number}/end").status_code == 404
    for odd in ("0", "x", "9" * 30):
        assert alice.submit(f"/admin/invites/{odd}/end").status_code == 404
    alice.server.until_logged("invite_ended")


def test_removing_a_member_replaces_the_link_but_leaving_does_not(
    alice: Person, bob: Person, carol: Person, board: int
) -> None:
    path = link(bob, board, days="30", uses="5")
    carol.submit(path)
    removed = bob.submit(f"/rooms/{board}/members/{carol.id}/remove")
    assert "invite link, so it was replaced" in bob.get(removed.headers["location"]).text
    assert carol.get(path).status_code == 404
    assert carol.submit(path).status_code == 410
    assert carol.get(f"/rooms/{board}").status_code == 404
    row = query(
        alice.server.database_url,
        "SELECT most_uses, uses, round(extract(epoch FROM expires_at - created_at) / 86400)::int FROM invites"
        " WHERE room_id = $1",
        board,
    )[0]
    assert tuple(row) == (5, 1, 30), "its end and its uses stay"
    renewed = re.findall(r'value="[^"]*(/join/[\w-]+)"', bob.get(f"/rooms/{board}/invite").text)[0]
    assert renewed != path
    assert carol.submit(renewed).status_code == 303
    carol.submit(f"/rooms/{board}/leave")
    assert carol.submit(renewed).status_code == 303, "a member who left may come back"
    bob.submit(f"/rooms/{board}/invite/end")
    removed = bob.submit(f"/rooms/{board}/members/{carol.id}/remove")
    assert "invite link" not in bob.get(removed.headers["location"]).text.split("Add people")[0]


def test_the_chats_link_opens_no_room_and_a_rooms_link_only_its_own(alice: Person, bob: Person, board: int) -> None:
    token = chat_link(alice).split("/")[2]
    assert bob.get(f"/join/{token}").status_code == 404
    assert bob.submit(f"/join/{token}").status_code == 410
    assert query(alice.server.database_url, "SELECT uses FROM invites")[0][0] == 0


def test_signing_up_by_the_first_rooms_link_counts_as_a_use(alice: Person) -> None:
    made = alice.submit("/rooms/1/invite", {"days": "7", "uses": "5"})
    assert made.status_code == 303
    token = re.findall(r"/join/([\w-]+)", alice.get("/rooms/1/invite").text)[0]
    sign_up(alice.server, "Carol Clark", token)
    assert query(alice.server.database_url, "SELECT uses FROM invites WHERE room_id = 1")[0][0] == 1
