"""Authors edit and delete their messages, and every reader sees it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.support.databases import query
from tests.support.live_client import LiveClient
from tests.support.people import Person


def test_an_author_edits_and_deletes_their_message(alice: Person) -> None:
    alice.post(1, "helo")
    assert alice.edit(1, "hello").status_code == 200
    assert alice.reads(1) == ["hello (edited)"]
    assert alice.delete(1).status_code == 200
    assert alice.reads(1) == ["This message was deleted."]
    row = query(alice.server.database_url, "SELECT body, revision, posted_revision FROM messages")[0]
    assert tuple(row) == ("", 3, 1), "nothing of the text is kept"


def test_other_members_cannot_change_a_message(alice: Person, bob: Person) -> None:
    alice.post(1, "mine")
    assert bob.edit(1, "yours").status_code == 403
    assert bob.delete(1).status_code == 403
    assert bob.get("/messages/1/edit").status_code == 403
    secret = alice.create_room("Board", "closed")
    alice.post(secret, "a secret")
    for answer in (bob.edit(2, "x"), bob.delete(2), bob.get("/messages/2/edit"), bob.edit(4711, "x")):
        assert answer.status_code == 404
    assert alice.reads(1) == ["mine"]


def test_a_former_member_cannot_change_their_messages(alice: Person, bob: Person) -> None:
    bob.post(1, "before I go")
    bob.submit("/rooms/1/leave")
    assert bob.edit(1, "rewritten").status_code == 404
    assert bob.delete(1).status_code == 404
    assert alice.reads(1) == ["before I go"]


def test_a_deleted_message_cannot_be_changed(alice: Person) -> None:
    alice.post(1, "hello")
    alice.delete(1)
    assert alice.edit(1, "back again").status_code == 404
    assert alice.delete(1).status_code == 404


def test_an_edit_over_the_limits_is_refused_and_keeps_the_input(alice: Person) -> None:
    alice.post(1, "hello")
    answer = alice.edit(1, "x" * 10_001)
    assert answer.status_code == 422
    assert "10,001 characters" in answer.text
    assert "x" * 10_001 in answer.text
    assert alice.edit(1, "  ").status_code == 422
    assert alice.submit("/messages/1/edit", {"body": " "}).status_code == 422, "and without JavaScript"
    assert alice.reads(1) == ["hello"]


def test_an_edit_without_changes_takes_no_revision(alice: Person) -> None:
    alice.post(1, "hello")
    assert alice.edit(1, "hello").status_code == 200
    assert query(alice.server.database_url, "SELECT revision FROM rooms WHERE id = 1")[0]["revision"] == 1
    assert alice.reads(1) == ["hello"]


def test_simultaneous_changes_leave_no_gap_in_the_revisions(alice: Person) -> None:
    alice.post(1, "hello")
    with ThreadPoolExecutor(8) as pool:
        work = [partial(alice.edit, 1, f"edit {n}") for n in range(10)] + [partial(alice.delete, 1)] * 4
        codes = [future.result().status_code for future in [pool.submit(job) for job in work]]
    assert codes.count(200) >= 1
    assert set(codes) <= {200, 404}
    assert codes[10:].count(200) == 1, "a single deletion succeeds"
    rooms = query(alice.server.database_url, "SELECT revision FROM rooms WHERE id = 1")
    assert rooms[0]["revision"] == 1 + codes.count(200)


@pytest.mark.anyio
async def test_edits_and_deletions_reach_connected_and_returning_readers(alice: Person) -> None:
    for number in range(3):
        await asyncio.to_thread(alice.post, 1, f"message {number}")
    async with LiveClient(alice, 1) as here, LiveClient(alice, 1) as away:
        away.abort()
        await asyncio.to_thread(alice.edit, 1, "edited")
        await asyncio.to_thread(alice.post, 1, "message 3")
        await asyncio.to_thread(alice.delete, 2)
        await asyncio.to_thread(alice.edit, 4, "message three")
        expected = ["edited (edited)", "This message was deleted.", "message 2", "message three (edited)"]
        await here.until(lambda: here.texts() == expected)
        await away.until(lambda: away.texts() == expected)
        assert away.connections == 2
