"""Posting, history, and how text is cleaned and stored."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.support.databases import query
from tests.support.people import Person, bodies, sign_up


def test_repeated_posts_with_a_client_id_make_a_single_message(alice: Person) -> None:
    client_id = str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: alice.post(1, "only once", client_id), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert [bodies(answer.text) for answer in answers] == [["only once"]] * 16
    assert alice.reads(1) == ["only once"]
    row = query(alice.server.database_url, "SELECT revision, message_count FROM rooms WHERE id = 1")[0]
    assert tuple(row) == (1, 1), "the losers left no gap"


def test_a_command_that_is_sent_again_is_obeyed_once(alice: Person, bob: Person) -> None:
    closed = alice.create_room("Staff", "closed")
    form = {"body": "/invite Bob Brown", "client_id": str(uuid4())}
    answers = [alice.submit(f"/rooms/{closed}/messages", form, htmx=True) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].text == answers[1].text
    assert alice.reads(closed) == ["invited Bob Brown"]
    form = {"body": "/leave", "client_id": str(uuid4())}
    answers = [bob.submit(f"/rooms/{closed}/messages", form, htmx=True) for _ in range(2)]
    assert [(answer.status_code, answer.headers["HX-Redirect"]) for answer in answers] == [(204, "/")] * 2


def test_two_authors_may_use_the_same_client_id(alice: Person) -> None:
    bob, client_id = sign_up(alice.server, "Bob Brown"), str(uuid4())
    alice.post(1, "from alice", client_id)
    bob.post(1, "from bob", client_id)
    assert alice.reads(1) == ["from alice", "from bob"]


def test_a_client_id_repeated_in_another_room_reveals_no_message(alice: Person) -> None:
    other, client_id = alice.create_room("Other"), str(uuid4())
    alice.post(1, "in the lobby", client_id)
    assert alice.post(other, "elsewhere", client_id).status_code == 404


def test_simultaneous_posts_leave_no_gap_in_revisions_and_positions(alice: Person) -> None:
    people = [alice, *(sign_up(alice.server, f"Person {number}") for number in range(4))]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda person: [person.post(1, f"{n}") for n in range(40)], people))
    rows = query(
        alice.server.database_url,
        "SELECT revision, position, posted_revision, created_at FROM messages WHERE room_id = 1 ORDER BY id",
    )
    assert [row["revision"] for row in rows] == [row["posted_revision"] for row in rows] == list(range(1, 201))
    assert [row["position"] for row in rows] == list(range(1, 201)), "ids are in the order of commit"
    times = [row["created_at"] for row in rows]
    assert times == sorted(times)


@pytest.mark.parametrize("body", ["", "   ", "\n\n", "\r\n \t"])
def test_an_empty_message_is_refused_beside_the_box(alice: Person, body: str) -> None:
    answer = alice.post(1, body)
    assert answer.status_code == 422
    assert "Write something first" in answer.text
    plain = alice.submit("/rooms/1/messages", {"body": body, "client_id": str(uuid4())})
    assert plain.status_code == 422
    assert "Write something first" in plain.text
    assert alice.reads(1) == []


def test_a_message_has_at_most_ten_thousand_characters(alice: Person) -> None:
    assert alice.post(1, "🙂" * 10_000).status_code == 200
    answer = alice.submit("/rooms/1/messages", {"body": "é" * 10_001, "client_id": str(uuid4())})
    assert answer.status_code == 422
    assert "10,001 characters" in answer.text
    assert "é" * 10_001 in answer.text, "the input is kept"


def test_a_far_too_large_request_is_refused_before_it_is_read(alice: Person) -> None:
    answer = alice.post(1, "x" * 300_000)
    assert answer.status_code == 413
    assert "too much at once" in answer.text


def test_a_nul_is_replaced_and_line_endings_are_normalised(alice: Person) -> None:
    assert alice.post(1, "a\x00b\r\nc").status_code == 200
    assert alice.reads(1) == ["a\ufffdb\nc"]


def test_posting_without_javascript_leads_back_to_the_room(alice: Person) -> None:
    answer = alice.submit("/rooms/1/messages", {"body": "hello", "client_id": str(uuid4())})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/rooms/1#m-")


def test_history_comes_in_pages_of_fifty_in_both_directions(alice: Person) -> None:
    for number in range(1, 131):
        alice.post(1, str(number))
    assert alice.reads(1) == [str(number) for number in range(81, 131)]
    assert alice.reads(1, "?before=81") == [str(number) for number in range(31, 81)]
    assert alice.reads(1, "?before=31") == [str(number) for number in range(1, 31)]
    assert alice.reads(1, "?after=30") == [str(number) for number in range(31, 81)]
    newest = alice.get("/rooms/1").text
    assert "before=81" in newest
    assert 'id="room-news"' in newest
    middle = alice.get("/rooms/1?before=81").text
    assert 'id="room-news"' not in middle, "new messages do not extend a page of the past"
    assert "Jump to the latest" in middle
    around = alice.get("/rooms/1/messages/40").text
    assert bodies(around) == [str(number) for number in range(15, 65)]
    assert bodies(alice.get("/rooms/1/messages?before=81").text) == [str(number) for number in range(31, 81)]
    for query_string in ("?before=0", "?before=x", "?before=-3", "?before=99999999999999999999", "?after=x"):
        assert alice.get(f"/rooms/1{query_string}").status_code == 200


def test_a_permalink_to_another_rooms_message_is_not_found(alice: Person) -> None:
    other = alice.create_room("Other")
    alice.post(1, "hello")
    assert alice.get("/rooms/1/messages/1").status_code == 200
    assert alice.get(f"/rooms/{other}/messages/1").status_code == 404


def test_messages_of_an_author_are_grouped_when_close_in_time(alice: Person) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    database = alice.server.database_url
    alice.post(1, "one")
    alice.post(1, "two")
    bob.post(1, "three")
    query(database, "UPDATE rooms SET newest_at = newest_at - interval '6 minutes' RETURNING 1")
    bob.post(1, "four")
    query(database, "UPDATE rooms SET newest_at = newest_at - interval '1 day' RETURNING 1")
    bob.post(1, "five")
    rows = query(database, "SELECT continues, starts_day, created_at FROM messages ORDER BY id")
    assert [row["continues"] for row in rows] == [False, True, False, False, False]
    one, two, three, four, _ = (row["created_at"] for row in rows)
    # Around midnight the first message of a new day starts a group, too.
    assert [row["starts_day"] for row in rows] == [
        True,
        one.date() != two.date(),
        two.date() != three.date(),
        (three - timedelta(minutes=6)).date() != four.date(),
        True,
    ]


def test_renaming_an_author_shows_on_their_old_messages(alice: Person) -> None:
    alice.post(1, "hello")
    assert "Alice Adams" in alice.get("/rooms/1").text.split('id="messages"')[1]
    alice.submit("/profile/name", {"name": "Alice Brook"})
    messages = alice.get("/rooms/1").text.split('id="messages"')[1].split("</ol>")[0]
    assert "Alice Brook" in messages
    assert "Alice Adams" not in messages
