"""A room's settings, and their effect on its members."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from asyncpg import CheckViolationError
from httpx import Response

from chat.errors import TooManyRequests
from tests.support.databases import execute, query, run
from tests.support.people import Person

ALL = {
    "name": "Kitchen",
    "topic": "Soup",
    "description": "Who cooks what.\n\n\nAnd  when.",
    "kind": "closed",
    "posting": "managers",
    "slow_seconds": "30",
}


@pytest.fixture
def kitchen(bob: Person, carol: Person) -> int:
    """Bob's room, with Carol in it."""
    room_id = bob.create_room("Cooking")
    carol.join(room_id)
    return room_id


def change(person: Person, room_id: int, **fields: object) -> int:
    return person.submit(f"/rooms/{room_id}/settings", fields).status_code


def error(answer: str) -> str:
    return re.sub(r"<[^>]+>", "", answer).strip()


def set_back_last_posts(person: Person, seconds: int) -> None:
    earlier = f"UPDATE memberships SET posted_at = posted_at - interval '{seconds} seconds'"
    run(execute(person.server.database_url, earlier))


def seconds_to_wait(refused: Response) -> int:
    assert refused.status_code == 429
    assert "This room is in slow mode." in refused.text
    return int(refused.headers["Retry-After"])


def test_only_managers_change_a_rooms_settings(alice: Person, bob: Person, carol: Person, kitchen: int) -> None:
    assert change(carol, kitchen, **ALL) == 403
    assert change(alice, kitchen, **ALL) == 404, "not in the room"
    assert change(bob, kitchen, **ALL) == 303
    url = alice.server.database_url
    row = query(url, f"SELECT {', '.join(ALL)} FROM rooms WHERE id = $1", kitchen)[0]
    assert dict(row) == ALL | {"description": "Who cooks what.\n\nAnd when.", "slow_seconds": 30}
    settings = carol.get(f"/rooms/{kitchen}/settings").text
    assert "Who cooks what." in settings
    assert "Owners and administrators only, once in 30 seconds" in settings
    assert 'name="description"' not in settings, "other members see the settings, but no form"
    assert "Who cooks what." in carol.get(f"/rooms/{kitchen}/members").text
    assert "Kitchen" not in alice.get("/rooms").text, "closed now"
    assert change(bob, kitchen, kind="open") == 303
    browse = alice.get("/rooms").text
    assert "Who cooks what." in browse
    assert "Soup" in browse
    assert change(bob, kitchen, topic="", description="", posting="everybody", slow_seconds="0") == 303
    assert carol.post(kitchen, "hello").status_code == 200


def test_invalid_settings_are_refused_beside_each_field(bob: Person, kitchen: int) -> None:
    wrong = {
        "name": "",
        "topic": "x" * 201,
        "description": "x" * 1001,
        "kind": "direct",
        "posting": "nobody",
        "slow_seconds": "11",
    }
    answer = bob.submit(f"/rooms/{kitchen}/settings", wrong)
    assert answer.status_code == 422
    for reason in ("Enter a name", "at most 200", "at most 1,000", "who can join", "who may post", "how often people"):
        assert reason in answer.text
    assert change(bob, kitchen, name="LOBBY") == 422
    assert change(bob, kitchen, name="Lobby", kind="closed") == 303, "closed rooms keep their names to themselves"
    taken = bob.submit(f"/rooms/{kitchen}/settings", {"kind": "open", "topic": "kept as typed"})
    assert taken.status_code == 422
    assert "already an open room with this name" in taken.text
    assert "kept as typed" in taken.text


def test_members_read_and_react_where_only_managers_write(
    alice: Person, bob: Person, carol: Person, kitchen: int
) -> None:
    carol.post(kitchen, "before")
    bob.post(kitchen, "from now on I tell")
    assert change(bob, kitchen, posting="managers") == 303
    refused = carol.post(kitchen, "may I?")
    assert refused.status_code == 422
    assert "Only the room’s owners and administrators can write here" in refused.text
    assert carol.post(kitchen, "/topic mine").status_code == 422
    assert query(alice.server.database_url, "SELECT topic FROM rooms WHERE id = $1", kitchen)[0][0] == ""
    page = carol.get(f"/rooms/{kitchen}").text
    assert 'id="composer"' not in page
    assert "owners and administrators can write" in page
    assert carol.submit("/messages/2/reactions", {"emoji": "👍"}).status_code == 303
    assert carol.edit(1, "before, better said").status_code == 200
    alice.join(kitchen)
    for manager in (alice, bob):
        assert manager.post(kitchen, "a word").status_code == 200
    assert carol.reads(kitchen)[2:] == ["a word", "a word"]


def test_slow_mode_says_how_long_to_wait_and_keeps_the_text(
    alice: Person, bob: Person, carol: Person, kitchen: int
) -> None:
    assert change(bob, kitchen, slow_seconds="60") == 303
    first = str(uuid4())
    assert carol.post(kitchen, "one", first).status_code == 200
    assert carol.post(kitchen, "two").status_code == 429
    assert carol.post(kitchen, "one", first).status_code == 200, "a repeat is answered with the first message"
    assert seconds_to_wait(carol.post(kitchen, "/invite Alice Adams")) > 30
    assert alice.post(kitchen, "still outside").status_code == 404
    for _ in range(3):
        assert bob.post(kitchen, "a manager").status_code == 200
    with_form = carol.submit(f"/rooms/{kitchen}/messages", {"body": "not lost"})
    assert with_form.status_code == 429
    assert re.search(r"This room is in slow mode. Try again in \d+ seconds.", with_form.text)
    assert ">not lost</textarea>" in with_form.text
    assert "one message in 1 minute" in with_form.text
    set_back_last_posts(alice, 30)
    assert seconds_to_wait(carol.post(kitchen, "two")) <= 30
    set_back_last_posts(alice, 30)
    assert carol.post(kitchen, "two").status_code == 200
    assert seconds_to_wait(carol.post(kitchen, "three")) > 30
    assert carol.reads(kitchen) == ["one", "a manager", "a manager", "a manager", "two"]
    assert change(bob, kitchen, slow_seconds="3600") == 303
    hour = carol.submit(f"/rooms/{kitchen}/messages", {"body": "three"})
    assert "This room is in slow mode. Try again in 60 minutes." in hour.text
    assert change(bob, kitchen, slow_seconds="0") == 303
    assert [carol.post(kitchen, "free").status_code for _ in range(2)] == [200, 200]


def test_leaving_and_rejoining_does_not_reset_slow_mode(
    alice: Person, bob: Person, carol: Person, kitchen: int
) -> None:
    assert change(bob, kitchen, slow_seconds="60") == 303
    assert carol.post(kitchen, "one").status_code == 200
    ways: list[Callable[[], Response]] = [
        lambda: carol.join(kitchen),
        lambda: bob.submit(f"/rooms/{kitchen}/members", {"person": carol.id}),
    ]
    for come in ways:
        carol.submit(f"/rooms/{kitchen}/leave")
        assert come().status_code == 303
        assert seconds_to_wait(carol.post(kitchen, "two")) > 30
    assert carol.reads(kitchen) == ["one"]
    alice.join(kitchen)
    assert alice.post(kitchen, "an administrator").status_code == 200, "need not wait"
    set_back_last_posts(alice, 60)
    assert carol.post(kitchen, "two").status_code == 200, "she has waited once"
    assert change(bob, kitchen, slow_seconds="0") == 303
    carol.submit(f"/rooms/{kitchen}/leave")
    carol.join(kitchen)
    assert carol.post(kitchen, "at once").status_code == 200


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (180, "180 seconds"), (181, "4 minutes"), (3541, "60 minutes")],
)
def test_a_wait_is_shown_in_words(seconds: float, words: str) -> None:
    assert TooManyRequests("Slow.", seconds, "body").errors == {"body": f"Slow. Try again in {words}."}


def test_slow_mode_accepts_a_single_post_of_many_simultaneous_posts(bob: Person, carol: Person, kitchen: int) -> None:
    assert change(bob, kitchen, slow_seconds="60") == 303
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: carol.post(kitchen, f"{number}").status_code, range(16)))
    assert sorted(answers) == [200] + [429] * 15
    assert len(carol.reads(kitchen)) == 1


def test_a_direct_room_never_becomes_another_kind_of_room(alice: Person, bob: Person) -> None:
    pair = alice.open_direct(bob)
    for field, value in ALL.items():
        assert change(alice, pair, **{field: value}) == 403
    assert change(alice, pair, **ALL) == 403
    url = alice.server.database_url
    before = query(url, "SELECT * FROM rooms ORDER BY id")
    key = b"0" * 32
    for statement in (
        "UPDATE rooms SET kind = 'open' WHERE id = $1",
        "UPDATE rooms SET kind = 'closed', direct_key = NULL, name = 'Ours' WHERE id = $1",
        "UPDATE rooms SET kind = 'open', direct_key = NULL, name = 'Ours' WHERE id = $1",
        "UPDATE rooms SET direct_key = sha256('other people') WHERE id = $1",
        "UPDATE rooms SET posting = 'managers' WHERE id = $1",
        "UPDATE rooms SET slow_seconds = 10 WHERE id = $1",
        "UPDATE rooms SET archived_at = now() WHERE id = $1",
        "UPDATE rooms SET topic = 'x' WHERE id = $1",
        "UPDATE rooms SET description = 'x' WHERE id = $1",
    ):
        with pytest.raises(CheckViolationError):
            run(execute(url, statement, pair))
    with pytest.raises(CheckViolationError):
        run(execute(url, "UPDATE rooms SET kind = 'direct', direct_key = $1, name = NULL WHERE id = 1", key))
    assert query(url, "SELECT * FROM rooms ORDER BY id") == before
