"""Archiving, restoring and deleting rooms."""

import asyncio

import asyncpg
import pytest

from chat.rooms.settings import DELETED_AT_ONCE
from tests.support.databases import query
from tests.support.people import Person, sign_up


@pytest.fixture
def party(bob: Person, carol: Person) -> int:
    """Bob's room about a party that is over, with Carol in it and two messages."""
    room_id = bob.create_room("Summer party")
    carol.join(room_id)
    carol.post(room_id, "It was great")
    bob.post(room_id, "Wasn't it, @Carol Clark")
    return room_id


def listed(page: str) -> str:
    return page.split('<nav id="sidebar"')[1].split("</nav>", maxsplit=1)[0]


def test_members_can_only_read_an_archived_room(alice: Person, bob: Person, carol: Person, party: int) -> None:
    url = f"/rooms/{party}"
    assert carol.submit(f"{url}/archive").status_code == 403, "only a member"
    assert alice.submit(f"{url}/archive").status_code == 404, "not in it"
    assert bob.submit(f"{url}/archive").status_code == 303
    assert "Summer party" not in listed(carol.get("/").text)
    assert "Summer party" not in carol.get("/rooms").text
    assert "Summer party" in carol.get("/rooms?archived=yes&q=summer").text
    assert "Summer party" in alice.get("/rooms?archived=yes").text, "open rooms stay open to read"
    page = carol.get(url).text
    assert "It was great" in page
    assert "This room is archived" in page
    assert 'id="composer"' not in page
    assert "Restore" not in page
    assert "Restore" in bob.get(url).text
    refused = bob.post(party, "one more thing")
    assert refused.status_code == 422
    assert "archived" in refused.text
    assert bob.post(party, "/topic x").status_code == 422
    assert carol.edit(1, "changed").status_code == 403
    assert carol.delete(1).status_code == 403
    assert carol.submit("/messages/1/reactions", {"emoji": "👍"}).status_code == 403
    assert carol.reads(party) == ["It was great", "Wasn't it, @Carol Clark"]
    row = query(alice.server.database_url, "SELECT revision, message_count FROM rooms WHERE id = $1", party)[0]
    assert tuple(row) == (2, 2)
    assert carol.submit(f"{url}/restore").status_code == 403
    assert bob.submit(f"{url}/restore").status_code == 303
    assert "Summer party" in listed(carol.get("/").text)
    assert carol.post(party, "again!").status_code == 200


def test_signing_up_leads_no_newcomer_to_an_archived_room(alice: Person) -> None:
    alice.submit("/rooms/1/archive")
    hall = alice.create_room("Hall")
    bob = sign_up(alice.server, "Bob Brown")
    assert bob.post(hall, "hello").status_code == 200


def test_a_manager_deletes_a_room_by_typing_its_name(alice: Person, bob: Person, carol: Person, party: int) -> None:
    url = f"/rooms/{party}/delete"
    assert carol.get(url).status_code == 403
    assert carol.submit(url, {"name": "Summer party"}).status_code == 403
    assert alice.submit(url, {"name": "Summer party"}).status_code == 404
    assert "2 messages and 2 members" in bob.get(url).text
    wrong = bob.submit(url, {"name": "Winter party"})
    assert wrong.status_code == 422
    assert "Type “Summer party” to delete it." in wrong.text
    assert bob.submit(url, {"name": "summer  PARTY"}).status_code == 303
    for person in (alice, bob, carol):
        assert person.get(f"/rooms/{party}").status_code == 404
        assert "Summer party" not in person.get("/rooms").text
    assert carol.post(party, "too late").status_code == 404
    database = alice.server.database_url
    for table in ("messages", "memberships", "mentions"):
        assert query(database, f"SELECT count(*) FROM {table} WHERE room_id = $1", party)[0][0] == 0
    assert carol.post(1, "life goes on").status_code == 200


def test_a_direct_room_cannot_be_archived_or_deleted(alice: Person, bob: Person, carol: Person) -> None:
    pair = alice.open_direct(bob)
    for path in ("archive", "restore", "delete"):
        assert alice.submit(f"/rooms/{pair}/{path}", {"name": "Bob Brown"}).status_code == 403
        assert carol.submit(f"/rooms/{pair}/{path}", {"name": "Bob Brown"}).status_code == 404
    assert alice.get(f"/rooms/{pair}/delete").status_code == 403
    assert alice.post(pair, "still here").status_code == 200


MANY = """
    INSERT INTO messages
        (room_id, author_id, client_id, body, body_html, continues, starts_day, created_at, position, posted_revision,
         revision)
    SELECT room_id, author_id, gen_random_uuid(), body, body_html, continues, starts_day, created_at, n, n, n
    FROM messages, generate_series(3, $2::int) AS n
    WHERE room_id = $1 AND position = 1
"""


def test_a_room_larger_than_a_batch_of_deletions_is_deleted(alice: Person, bob: Person, party: int) -> None:
    database, count = alice.server.database_url, DELETED_AT_ONCE + 10
    query(database, MANY, party, count)
    query(database, "UPDATE rooms SET message_count = $2, revision = $2 WHERE id = $1", party, count)
    assert f"{count:,} messages" in bob.get(f"/rooms/{party}/delete").text
    assert bob.submit(f"/rooms/{party}/delete", {"name": "Summer party"}).status_code == 303
    assert query(database, "SELECT count(*) FROM messages WHERE room_id = $1", party)[0][0] == 0


@pytest.mark.anyio
async def test_deleting_a_large_room_does_not_block_posts_elsewhere(
    alice: Person, bob: Person, carol: Person, party: int
) -> None:
    connection = await asyncpg.connect(alice.server.database_url)
    async with asyncio.timeout(30), connection.transaction():
        await connection.execute("SELECT FROM messages WHERE room_id = $1 FOR UPDATE", party)
        deletions = [
            asyncio.create_task(asyncio.to_thread(bob.submit, f"/rooms/{party}/delete", {"name": "Summer party"}))
            for _ in range(2)
        ]
        archived = "SELECT archived_at IS NOT NULL FROM rooms WHERE id = $1"
        while not await connection.fetchval(archived, party):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        async with asyncio.timeout(10):
            posts = [asyncio.to_thread(carol.post, party, "wait!"), asyncio.to_thread(alice.post, 1, "hello")]
            refused, posted = await asyncio.gather(*posts)
        assert (refused.status_code, posted.status_code) == (422, 200)
        assert not any(deletion.done() for deletion in deletions)
    await connection.close()
    answers = await asyncio.gather(*deletions)
    assert sorted(answer.status_code for answer in answers) == [303, 404], "it is deleted once"
    assert carol.get(f"/rooms/{party}").status_code == 404


@pytest.mark.anyio
async def test_an_older_page_of_a_room_that_is_deleted_meanwhile_is_empty(bob: Person, party: int) -> None:
    deletion = await asyncpg.connect(bob.server.database_url)
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'message_links'::regclass AND NOT granted"
    async with asyncio.timeout(30), deletion.transaction():
        await deletion.execute("LOCK TABLE message_links")
        reading = asyncio.create_task(asyncio.to_thread(bob.get, f"/rooms/{party}/messages?before=100"))
        # The reader is a member until here.
        while not await deletion.fetchval(waiting):
            await asyncio.sleep(0.01)
        await deletion.execute("DELETE FROM rooms WHERE id = $1", party)
    await deletion.close()
    answer = await reading
    assert answer.status_code == 200
    assert 'id="m-' not in answer.text
