"""Rooms, their members, and their privacy from outsiders."""

import re
from concurrent.futures import ThreadPoolExecutor

from tests.support.databases import query
from tests.support.people import Person, bodies

OWNER = '<span class="tag">Owner</span>'


def pupils_come(person: Person, first: int, last: int, room_id: int) -> None:
    """Sign up pupils with these numbers and add them to a room."""
    statement = """
        WITH pupils AS (INSERT INTO users (email, name, password_hash, role)
            SELECT 'pupil' || n, 'Pupil ' || to_char(n, 'FM000'), '', 'member' FROM generate_series($1::int, $2) AS n
            RETURNING id)
        INSERT INTO memberships (room_id, user_id, role) SELECT $3, id, 'member' FROM pupils
    """
    query(person.server.database_url, statement, first, last, room_id)


def members_page(person: Person, room_id: int, q: str = "") -> str:
    return person.get(f"/rooms/{room_id}/members?q={q}").text.split("<main")[1].split("</main")[0]


def test_a_member_finds_joins_and_leaves_an_open_room(alice: Person, bob: Person) -> None:
    room_id = alice.create_room("Garden club")
    assert "Garden club" in bob.get("/rooms?q=GARDEN").text
    assert "Garden club" not in bob.get("/rooms?q=%25").text, "a percent sign is just a percent sign"
    assert "Join Garden club" in bob.get(f"/rooms/{room_id}").text
    assert bob.post(room_id, "too early").status_code == 404
    assert bob.join(room_id).status_code == 303
    assert bob.join(room_id).status_code == 303, "twice is fine"
    assert bob.post(room_id, "hello").status_code == 200
    assert bob.submit(f"/rooms/{room_id}/leave").status_code == 303
    assert bob.post(room_id, "too late").status_code == 404
    assert alice.reads(room_id) == ["hello"]


def test_history_before_joining_counts_as_read(alice: Person, bob: Person) -> None:
    room_id = alice.create_room("Garden club")
    alice.post(room_id, "hello")
    bob.join(room_id)
    bob.submit(f"/rooms/{room_id}/level", {"level": "everything"})
    assert "<title>Willow Street School</title>" in bob.get("/list").text
    alice.post(room_id, "news")
    assert "<title>(1) Willow Street School</title>" in bob.get("/list").text
    bob.submit(f"/rooms/{room_id}/read", {"position": 2})
    assert "<title>Willow Street School</title>" in bob.get("/list").text


def test_a_button_marks_a_room_as_read_without_javascript(alice: Person, bob: Person) -> None:
    alice.post(1, "news")
    statement = "SELECT read_position FROM memberships WHERE user_id = $1"
    for path in ("/rooms/1", "/rooms/1/messages/1", "/rooms/1/messages", "/rooms/1/head", "/rooms/1/read?position=1"):
        assert bob.get(path).status_code in {200, 405}
    assert query(alice.server.database_url, statement, bob.id)[0][0] == 0
    form = re.search(
        r'<noscript><form [^>]*action="(/rooms/1/read)"><input [^>]*value="(\d+)">', bob.get("/rooms/1").text
    )
    assert form is not None
    answer = bob.submit(form[1], {"position": form[2], "from": "page"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/rooms/1")
    assert query(alice.server.database_url, statement, bob.id)[0][0] == 1
    assert "Mark as read" not in bob.get("/rooms/1").text
    bob.submit("/rooms/1/messages", {"body": "an answer"})
    assert "Mark as read" not in bob.get("/rooms/1").text, "posting marks the room as read"
    assert "Mark as read" in alice.get("/rooms/1").text


def test_a_closed_room_does_not_exist_for_outsiders(alice: Person, bob: Person) -> None:
    room_id = alice.create_room("Board", "closed")
    alice.post(room_id, "a secret")
    missing = bob.get("/rooms/4711")
    for path in ("", "/messages", "/messages/1", "/members", "/settings"):
        answer = bob.get(f"/rooms/{room_id}{path}")
        assert answer.status_code == 404
        assert answer.text == missing.text, "as if it were not there"
    for path in ("/join", "/leave", "/settings", "/members", f"/members/{alice.id}/remove", "/messages"):
        assert bob.submit(f"/rooms/{room_id}{path}", {"body": "x", "name": "x"}).status_code == 404
    assert "Board" not in bob.get("/rooms").text
    assert alice.submit(f"/rooms/{room_id}/members", {"person": bob.id}).status_code == 303
    assert bob.reads(room_id) == ["a secret"]
    assert alice.submit(f"/rooms/{room_id}/members/{bob.id}/remove").status_code == 303
    assert bob.get(f"/rooms/{room_id}").status_code == 404


def test_only_owners_and_administrators_manage(alice: Person, bob: Person, carol: Person) -> None:
    room_id = bob.create_room("Bobs room")
    carol.join(room_id)
    assert carol.submit(f"/rooms/{room_id}/settings", {"name": "Carols room"}).status_code == 403
    assert carol.submit(f"/rooms/{room_id}/members/{bob.id}/remove").status_code == 403
    assert carol.submit(f"/rooms/{room_id}/members", {"person": alice.id}).status_code == 403
    assert alice.submit(f"/rooms/{room_id}/settings", {"name": "X"}).status_code == 404, "not even in it"
    assert bob.submit(f"/rooms/{room_id}/settings", {"name": "Workshop"}).status_code == 303
    assert "Workshop" in carol.get("/").text
    alice.join(room_id)
    assert alice.submit(f"/rooms/{room_id}/settings", {"name": "Hall"}).status_code == 303


def test_a_room_gets_a_new_owner_when_its_owner_leaves(bob: Person, carol: Person) -> None:
    room_id = bob.create_room("Workshop")
    carol.join(room_id)
    bob.submit(f"/rooms/{room_id}/leave")
    assert carol.submit(f"/rooms/{room_id}/settings", {"name": "Mine now"}).status_code == 303


def test_the_first_member_to_join_an_empty_room_owns_it(bob: Person, carol: Person) -> None:
    room_id = bob.create_room("Workshop")
    bob.submit(f"/rooms/{room_id}/leave")
    carol.join(room_id)
    assert carol.submit(f"/rooms/{room_id}/settings", {"name": "Mine now"}).status_code == 303
    bob.join(room_id)
    assert bob.submit(f"/rooms/{room_id}/settings", {"name": "Mine again"}).status_code == 403
    assert members_page(bob, room_id).count(OWNER) == 1


def test_a_room_has_an_owner_after_a_simultaneous_leave_and_join(bob: Person, carol: Person) -> None:
    for number in range(10):
        room_id = bob.create_room(f"Workshop {number}")
        with ThreadPoolExecutor(2) as pool:
            pool.submit(bob.submit, f"/rooms/{room_id}/leave")
            pool.submit(carol.join, room_id)
        assert carol.submit(f"/rooms/{room_id}/settings", {"topic": "Mine"}).status_code == 303


def test_an_invalid_room_name_is_refused_beside_its_field(alice: Person) -> None:
    for name, reason in (("", "Enter a name"), ("x" * 81, "at most 80"), ("LOBBY", "already an open room")):
        answer = alice.submit("/rooms", {"name": name, "kind": "open"})
        assert answer.status_code == 422
        assert reason in answer.text
    assert alice.submit("/rooms", {"name": "x", "kind": "direct"}).status_code == 422
    room_id = alice.create_room("Other")
    taken = alice.submit(f"/rooms/{room_id}/settings", {"name": "lobby"})
    assert taken.status_code == 422
    assert "already an open room" in taken.text
    assert alice.create_room("Lobby", "closed"), "closed rooms keep their names to themselves"


def test_each_set_of_people_has_a_single_direct_room(alice: Person, bob: Person, carol: Person) -> None:
    pair = alice.open_direct(bob)
    assert bob.open_direct(alice) == alice.open_direct(bob, bob) == alice.open_direct(alice, bob) == pair
    group = alice.open_direct(bob, carol)
    assert carol.open_direct(alice, bob) == bob.open_direct(carol, alice) == group != pair
    alone = alice.open_direct(alice)
    assert alone not in (pair, group)
    assert "Bob Brown" in alice.get(f"/rooms/{pair}").text
    assert "Bob Brown, Carol Clark" in alice.get(f"/rooms/{group}").text
    assert carol.get(f"/rooms/{pair}").status_code == 404


def test_direct_rooms_cannot_be_joined_left_renamed_or_extended(alice: Person, bob: Person, carol: Person) -> None:
    pair = alice.open_direct(bob)
    assert carol.join(pair).status_code == 404
    assert bob.join(pair).status_code == 404
    assert alice.submit(f"/rooms/{pair}/leave").status_code == 403
    assert alice.submit(f"/rooms/{pair}/settings", {"name": "x"}).status_code == 403
    assert alice.submit(f"/rooms/{pair}/members", {"person": carol.id}).status_code == 403
    assert alice.submit(f"/rooms/{pair}/members/{bob.id}/remove").status_code == 403


def test_a_direct_room_appears_to_the_other_with_its_first_message(alice: Person, bob: Person) -> None:
    pair = alice.open_direct(bob)
    assert f"/rooms/{pair}" in alice.get("/").text
    assert f"/rooms/{pair}" not in bob.get("/list").text
    alice.post(pair, "hello")
    assert f"/rooms/{pair}" in bob.get("/list").text


def test_direct_rooms_without_members_or_with_strangers_are_refused(alice: Person, bob: Person) -> None:
    for people in ([], ["4711"], ["x"], [str(bob.id), "4711"]):
        answer = alice.submit("/direct", {"person": people})
        assert answer.status_code == 422
        assert "field-error" in answer.text


def test_members_are_listed_by_name(alice: Person, carol: Person, bob: Person) -> None:
    page = carol.get("/rooms/1/members").text.split("<main")[1]
    assert page.index("Alice Adams") < page.index("Bob Brown") < page.index("Carol Clark")
    assert "Owner" in page


def test_members_of_a_large_room_are_found_by_name(alice: Person, bob: Person) -> None:
    pupils_come(alice, 1, 240, 1)
    everybody = members_page(bob, 1)
    assert everybody.count('class="list-name"') == 200
    assert "These are the first 200 of 242 members" in everybody
    assert "Pupil 198" in everybody
    assert "Pupil 199" not in everybody
    assert 'action="/rooms/1/members"' in everybody, "a box to find the others"
    found = members_page(bob, 1, "PUPIL+24")
    assert found.count('class="list-name"') == 1
    assert "Pupil 240" in found
    assert "Pupil 2" in members_page(bob, 1, "2")
    assert "first 200 matches" in members_page(bob, 1, "pupil")
    assert "No member has a name like “zzz”" in members_page(bob, 1, "zzz")
    assert ">242<" in bob.get("/rooms/1").text.split('id="member-count"')[1][:100]


def test_the_search_in_a_large_room_finds_members_and_people_to_add(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room("Gathering")
    pupils_come(alice, 1, 240, room_id)
    page = members_page(alice, room_id, "b")
    assert page.count('type="search"') == 1
    assert "No member has a name like" in page
    assert "Bob Brown" in page
    assert "Carol Clark" not in page
    added = alice.submit(f"/rooms/{room_id}/members?q=b", {"person": bob.id})
    assert added.headers["location"] == f"/rooms/{room_id}/members?q=b", "back to the search results"
    assert f"/members/{bob.id}/remove" in members_page(alice, room_id, "b")
    made = alice.submit(f"/rooms/{room_id}/members/{bob.id}/owner?q=b")
    assert made.headers["location"] == f"/rooms/{room_id}/members?q=b"


def test_the_search_in_a_small_room_finds_people_to_add_only(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room("Board")
    bob.join(room_id)
    assert 'type="search"' not in members_page(bob, room_id)
    page = members_page(alice, room_id, "carol")
    assert page.count('type="search"') == 1
    assert "Find somebody to add" in page
    assert "Bob Brown" in page


def test_impossible_ids_are_not_found(alice: Person) -> None:
    for room_id in ("0", "-1", "x", "99999999999999999999", "1.5", "999999999999999999"):
        assert alice.get(f"/rooms/{room_id}").status_code == 404
    assert alice.get("/people/4711").status_code == 404


def test_an_owner_makes_another_member_an_owner(alice: Person, bob: Person, carol: Person) -> None:
    room_id = bob.create_room("Board", "closed")
    bob.submit(f"/rooms/{room_id}/members", {"person": carol.id})
    url = f"/rooms/{room_id}/members"
    assert carol.submit(f"{url}/{carol.id}/owner").status_code == 403
    assert alice.submit(f"{url}/{carol.id}/owner").status_code == 404, "not in it"
    assert bob.submit(f"{url}/{alice.id}/owner").status_code == 404, "not in it"
    assert "Make owner" not in carol.get(url).text
    assert bob.submit(f"{url}/{carol.id}/owner").status_code == 303
    assert carol.get(url).text.count(OWNER) == 2
    assert carol.submit(f"/rooms/{room_id}/settings", {"topic": "budget"}).status_code == 303
    pair = alice.open_direct(bob)
    assert alice.submit(f"/rooms/{pair}/members/{bob.id}/owner").status_code == 403


def test_an_owner_demotes_another_owner_or_steps_down(alice: Person, bob: Person, carol: Person) -> None:
    room_id = bob.create_room("Board", "closed")
    bob.submit(f"/rooms/{room_id}/members", {"person": carol.id})
    url = f"/rooms/{room_id}/members"
    assert carol.submit(f"{url}/{bob.id}/owner/end").status_code == 403, "no owner herself"
    assert alice.submit(f"{url}/{bob.id}/owner/end").status_code == 404, "not in it"
    assert "End ownership" not in bob.get(url).text, "Bob is the only owner"
    last = bob.submit(f"{url}/{bob.id}/owner/end")
    assert last.status_code == 403
    assert "A room needs an owner" in last.text
    bob.submit(f"{url}/{carol.id}/owner")
    assert bob.get(url).text.count(">End ownership</button>") == 2
    assert bob.submit(f"{url}/{alice.id}/owner/end").status_code == 404, "not in it"
    assert bob.submit(f"{url}/{carol.id}/owner/end").status_code == 303
    assert carol.submit(f"/rooms/{room_id}/settings", {"topic": "mine"}).status_code == 403
    assert "Carol Clark" in bob.get(url).text, "a member still"
    bob.submit(url, {"person": alice.id})
    bob.submit(f"{url}/{alice.id}/owner")
    for owner in (alice, bob):
        assert carol.submit(f"{url}/{owner.id}/owner/end").status_code == 403, "no owner any more"
    assert bob.submit(f"{url}/{bob.id}/owner/end").status_code == 303
    assert bob.submit(f"/rooms/{room_id}/settings", {"topic": "mine"}).status_code == 403
    assert alice.submit(f"{url}/{alice.id}/owner/end").status_code == 403, "now Alice is the only owner"
    pair = alice.open_direct(bob)
    assert alice.submit(f"/rooms/{pair}/members/{alice.id}/owner/end").status_code == 403


def test_two_owners_stepping_down_at_once_leave_the_room_an_owner(bob: Person, carol: Person) -> None:
    room_id = bob.create_room("Board")
    carol.join(room_id)
    url = f"/rooms/{room_id}/members"
    for _ in range(10):
        for owner, other in ((bob, carol), (carol, bob)):
            owner.submit(f"{url}/{other.id}/owner")
        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda person: person.submit(f"{url}/{person.id}/owner/end").status_code, (bob, carol))
            assert sorted(answers) == [303, 403]
        assert members_page(bob, room_id).count(OWNER) == 1


def test_a_part_has_what_fills_a_screen_or_all_that_is_new(alice: Person, bob: Person) -> None:
    said = [f"number {number}" for number in range(40)]
    for text in said:
        alice.post(1, text)
    part = {"X-Part": "main"}

    def begins_at(person: Person) -> tuple[int, str]:
        text = person.client.get("/rooms/1", headers=part).text
        found = re.findall(r'<a[^>]*href="/rooms/1\?before=(\d*)"', text)
        return len(bodies(text)), found[0]

    assert begins_at(bob) == (40, "")
    bob.submit("/rooms/1/read", {"position": 14})
    assert begins_at(bob) == (40, "")
    bob.submit("/rooms/1/read", {"position": 15})
    assert begins_at(bob) == (25, "16")
    assert bob.reads(1) == said
    older = bob.client.get("/rooms/1/messages?before=16", headers={"HX-Request": "true"}).text
    assert bodies(older) == said[:15]
