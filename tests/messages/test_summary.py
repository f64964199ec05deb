"""The text of a notification."""

import pytest

from tests.support.people import Person


def said(person: Person, room_id: int, position: int) -> str:
    answer = person.get(f"/rooms/{room_id}/said/{position}")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("**hello** `you` <b>&amp;</b>", "hello you <b>&</b>"),
        ("> what he said\n\nyes", "yes"),
        ("> only a quote", "only a quote"),
        ("- one\n- two\n\n```python\nimport this\n```", "one two import this"),
        ("x" * 200, "x" * 139 + "…"),
    ],
)
def test_a_notification_shortens_the_message(alice: Person, bob: Person, body: str, words: str) -> None:
    bob.post(1, body)
    assert said(alice, 1, 1) == f"Bob Brown: {words}"


def test_a_notification_of_a_direct_room_omits_the_authors_name(alice: Person, bob: Person) -> None:
    pair = bob.open_direct(alice)
    bob.post(pair, "psst")
    assert said(alice, pair, 1) == "psst"


def test_a_deleted_message_or_a_stranger_gets_no_notification_text(alice: Person, bob: Person) -> None:
    room_id = alice.create_room("Board", "closed")
    alice.post(room_id, "secret")
    assert bob.get(f"/rooms/{room_id}/said/1").status_code == 404
    assert said(alice, room_id, 1) == "Alice Adams: secret"
    alice.delete(1)
    assert alice.get(f"/rooms/{room_id}/said/1").status_code == 204
    assert alice.get(f"/rooms/{room_id}/said/2").status_code == 204
