"""Messages become searchable soon after they are posted, even beside slow or broken messages."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count

import anyio
import asyncpg
import pytest

from chat.database.engine import create_engine
from chat.database.questions import Questions
from chat.ids import RoomId
from chat.search.index import LEFT_SECONDS, Indexing
from chat.search.index_steps import MOST_BYTES, step
from tests.support.databases import execute, query, run
from tests.support.people import Person, first_run
from tests.support.searching import until_searchable
from tests.support.server import ChatServer

BIG, SMALL = 1, 2
HAN = [chr(number) for number in range(0x4E00, 0x9FFF)]

ROOMS = """
    WITH author AS (INSERT INTO users (email, name, password_hash, role) VALUES ('a', 'Ada', '', 'member') RETURNING id)
    INSERT INTO rooms (name, kind, newest_author_id) SELECT name, 'open', id FROM author, unnest($1::text[]) AS name
"""
WRITE = """
    WITH said AS (SELECT text, n FROM unnest($2::text[]) WITH ORDINALITY AS said (text, n)), room AS (
        UPDATE rooms SET revision = revision + cardinality($2), message_count = message_count + cardinality($2)
        WHERE id = $1 RETURNING id, revision - cardinality($2) AS before, message_count - cardinality($2) AS position
    )
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT id, (SELECT min(id) FROM users), gen_random_uuid(), text, '<p>' || text || '</p>', false, false,
        position + n, before + n, before + n, now()
    FROM room, said ORDER BY n
"""
EDIT = """
    WITH room AS (UPDATE rooms SET revision = revision + 1
        WHERE id = (SELECT room_id FROM messages WHERE body = $1) RETURNING revision)
    UPDATE messages SET body = $2, body_html = '<p>' || $2 || '</p>', revision = room.revision FROM room WHERE body = $1
"""
# Makes PostgreSQL refuse a message, or take very long for it.
REFUSE = "RAISE 'string is too long for tsvector'"
DELAY = "PERFORM pg_sleep(1.5)"
TRIGGER = """
    CREATE FUNCTION hinder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.text LIKE '%poison%' THEN {}; END IF;
        RETURN new;
    END $$;
    CREATE TRIGGER hinder BEFORE INSERT OR UPDATE ON searchable FOR EACH ROW EXECUTE FUNCTION hinder()
"""


def han() -> str:
    """The slowest message: each letter is a word, and each three of them are indexed."""
    return "".join(random.choices(HAN, k=9_990))


COUNTING = """
    CREATE FUNCTION count_step() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO steps VALUES (NEW.room_id); RETURN NEW; END $$;;
    CREATE TRIGGER count_steps AFTER INSERT OR UPDATE ON search_progress FOR EACH ROW EXECUTE FUNCTION count_step()
"""
# Commits a message every few milliseconds.
TALK = f"""
    DO $do$ BEGIN
        FOR number IN 1..2000 LOOP
            {WRITE.replace("$1", str(SMALL)).replace("$2", "ARRAY['word' || number]")};
            COMMIT;
            PERFORM pg_sleep(0.002);
        END LOOP;
    END $do$
"""


@pytest.fixture
def chat(database_url: str) -> str:
    """The database of a chat with two rooms."""
    run(execute(database_url, ROOMS, ["Big", "Small"]))
    return database_url


def write(url: str, room_id: int, *texts: str) -> None:
    run(execute(url, WRITE, room_id, list(texts)))


@contextmanager
def indexing(url: str) -> Iterator[None]:
    """Index as a process of the chat does, beside the test."""
    ended = threading.Event()

    async def work() -> None:
        database = create_engine(url)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Indexing(database, Questions(database), count().__next__).run)
            await anyio.to_thread.run_sync(ended.wait)
            tasks.cancel_scope.cancel()
        await database.dispose()

    thread = threading.Thread(target=anyio.run, args=(work,))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def until(condition: Callable[[], bool], patience: float = 90) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < patience, "it never comes"
        time.sleep(0.1)
    return time.monotonic() - started


def finds(url: str, text: str) -> bool:
    return query(url, "SELECT 1 FROM searchable WHERE text = $1", text) != []


def aside(url: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in query(url, "SELECT message_id, reason, attempts FROM unsearchable")]


def test_a_reader_finds_an_ordinary_message_while_slow_messages_wait(chat: str) -> None:
    write(chat, BIG, *(han() for _ in range(150)))
    with indexing(chat):
        for number in range(3):
            write(chat, SMALL, f"tomatoes{number}")
            assert until(partial(finds, chat, f"tomatoes{number}")) < 20
        until(lambda: query(chat, "SELECT count(*) FROM searchable")[0][0] > 20)


def test_a_new_chats_plans_soon_know_that_it_has_many_messages(chat: str) -> None:
    run(execute(chat, "ALTER TABLE messages SET (autovacuum_enabled = off)"))
    known = partial(query, chat, "SELECT reltuples FROM pg_class WHERE oid = 'messages'::regclass")
    with indexing(chat):
        write(chat, BIG, "first")
        until(partial(finds, chat, "first"))
        assert known()[0][0] == -1
        write(chat, BIG, *(f"message {number}" for number in range(1200)))
        until(lambda: known()[0][0] > 1000)


def test_a_message_that_cannot_be_indexed_delays_no_other(chat: str, caplog: pytest.LogCaptureFixture) -> None:
    run(execute(chat, TRIGGER.format(REFUSE)))
    write(chat, BIG, *(f"before{number}" for number in range(40)), "poison", "afterwards")
    write(chat, SMALL, "tomatoes")
    with indexing(chat):
        until(lambda: finds(chat, "tomatoes") and finds(chat, "afterwards"))
    assert query(chat, "SELECT count(*) FROM searchable")[0][0] == 42
    assert aside(chat) == [(41, aside(chat)[0][1], 1)]
    assert "string is too long for tsvector" in str(aside(chat)[0][1])
    assert "Message 41 cannot be made searchable" in caplog.text
    assert "poison" not in caplog.text, "the log shows no text of messages"


def test_editing_a_message_that_was_set_aside_retries_it_at_once(chat: str) -> None:
    run(execute(chat, TRIGGER.format(REFUSE)))
    write(chat, BIG, "poison")
    with indexing(chat):
        until(lambda: aside(chat) != [])
        run(execute(chat, EDIT, "poison", "antidote"))
        until(lambda: finds(chat, "antidote"))
        assert aside(chat) == []
        run(execute(chat, EDIT, "antidote", "poison again"))
        until(lambda: aside(chat) != [])
        assert not finds(chat, "antidote"), "text removed by the edit is not found"


def test_a_message_set_aside_is_retried_with_growing_pauses(chat: str) -> None:
    run(execute(chat, TRIGGER.format(REFUSE)))
    write(chat, BIG, "poison")
    earlier = "UPDATE unsearchable SET tried_at = now() - make_interval(mins => $1)"
    with indexing(chat):
        until(lambda: aside(chat) != [])
        run(execute(chat, earlier, 61))
        until(lambda: aside(chat)[0][2] == 2)
        run(execute(chat, "DROP TRIGGER hinder ON searchable"))
        run(execute(chat, earlier, 61))
        time.sleep(3)
        assert aside(chat)[0][2] == 2, "not before two hours are over"
        run(execute(chat, earlier, 121))
        until(lambda: finds(chat, "poison") and aside(chat) == [])


def test_a_slow_batch_is_halved_until_it_is_fast_enough(chat: str) -> None:
    run(execute(chat, TRIGGER.format(DELAY)))
    # All of them are a step, which is given up; half of them are not.
    long = [f"poison{number} " + "😀" * 9_900 for number in range(4)]
    write(chat, BIG, *long)
    write(chat, SMALL, "tomatoes")
    with indexing(chat):
        assert until(lambda: finds(chat, "tomatoes")) < 30
        until(lambda: finds(chat, long[3]))
    assert aside(chat) == [], "they are slow, and nothing else"


def test_a_busy_room_is_indexed_once_a_second_not_once_a_message(chat: str) -> None:
    run(execute(chat, "CREATE TABLE steps (room_id bigint)"))
    for statement in COUNTING.split(";;"):
        run(execute(chat, statement))
    with indexing(chat):
        began = time.monotonic()
        run(execute(chat, TALK))
        seconds = time.monotonic() - began
        until(lambda: query(chat, "SELECT count(*) FROM searchable")[0][0] == 2000)
    assert query(chat, "SELECT count(*) FROM steps")[0][0] <= seconds + 2


def test_deleted_messages_leave_the_index(chat: str) -> None:
    write(chat, BIG, *(f"tomatoes{number}" for number in range(200)))
    with indexing(chat):
        until(lambda: finds(chat, "tomatoes199"))
        deleted = """
            WITH room AS (UPDATE rooms SET revision = revision + 100 WHERE id = 1 RETURNING revision - 100 AS before)
            UPDATE messages SET body = '', body_html = '', deleted_at = now(), revision = before + id
            FROM room WHERE id <= 100
        """
        run(execute(chat, deleted))
        until(lambda: query(chat, "SELECT count(*) FROM searchable")[0][0] == 100)


@pytest.mark.anyio
async def test_a_room_is_deleted_while_its_messages_are_being_indexed(chat: str) -> None:
    write(chat, BIG, "tomatoes")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deletion = await asyncpg.connect(chat)
    engine = create_engine(chat)
    async with engine.connect() as connection, anyio.create_task_group() as tasks:
        async with deletion.transaction():
            await deletion.execute("SELECT FROM rooms WHERE id = 1 FOR UPDATE")
            tasks.start_soon(step, connection, RoomId(BIG), MOST_BYTES)
            while not await deletion.fetchval(waiting):
                await anyio.sleep(0.01)
            await deletion.execute("DELETE FROM messages WHERE room_id = 1")
            await deletion.execute("DELETE FROM rooms WHERE id = 1")
    await engine.dispose()
    await deletion.close()
    assert query(chat, "SELECT count(*) FROM searchable")[0][0] == 0


def test_an_administrator_sees_how_far_search_is_behind(server: ChatServer, database_url: str) -> None:
    alice: Person = first_run(server)
    assert "Search is behind" not in alice.get("/admin").text
    # Another process that holds the lock and makes no progress.
    hold = "SELECT pg_advisory_lock(7463921), pg_sleep(300)"
    holders = "SELECT {} FROM pg_locks WHERE locktype = 'advisory' AND objid = 7463921 AND granted"

    def hold_until_ended() -> None:
        with suppress(asyncpg.QueryCanceledError):
            query(database_url, hold)

    holding = threading.Thread(target=hold_until_ended)
    holding.start()
    until(lambda: query(database_url, holders.format("pid")) != [])
    alice.post(1, "tomatoes")
    run(execute(database_url, "UPDATE messages SET created_at = now() - interval '1 hour'"))
    said = r"Search is behind.</strong> 1 message is not searchable yet; the oldest has waited for 3,6\d\d seconds"
    assert re.search(said, alice.get("/admin").text)
    query(database_url, holders.format("pg_cancel_backend(pid)"))
    holding.join()
    until(lambda: "Search is behind" not in alice.get("/admin").text)
    run(execute(database_url, "INSERT INTO unsearchable (message_id, reason) VALUES (1, 'a reason')"))
    assert "1 message could not be indexed for search" in alice.get("/admin").text


def test_a_message_is_searchable_although_its_process_was_killed(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    alice = first_run(killed := start_server(database_url))
    other = start_server(database_url)
    # It has looked already, and has no changes of its own to look for.
    time.sleep(2)
    holding = threading.Thread(target=query, args=(database_url, "SELECT pg_advisory_lock(7463921), pg_sleep(4)"))
    holding.start()
    alice.post(1, "tomatoes")
    killed.kill()
    assert not finds(database_url, "tomatoes")
    holding.join()
    until_searchable(other)
    assert finds(database_url, "tomatoes")


@pytest.mark.anyio
async def test_a_process_looks_at_once_for_its_own_changes_and_later_for_those_of_others(chat: str) -> None:
    database, changes = create_engine(chat), 0
    indexing = Indexing(database, Questions(database), lambda: changes)
    assert [indexing._is_due() for _ in range(3)] == [True, False, False]
    changes = 1
    assert [indexing._is_due() for _ in range(3)] == [True, False, False]
    indexing._looked_at -= LEFT_SECONDS
    assert [indexing._is_due() for _ in range(3)] == [True, False, False]
    await database.dispose()
