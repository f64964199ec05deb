"""The task that looks at links: in several processes, killed in the middle, and switched off."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event

from chat.accounts.person import Visitor
from chat.database.engine import create_engine
from chat.ids import RoomId, SessionId, UserId
from chat.messages.link_queue import give_up
from chat.messages.page_previews import delete_unused
from chat.settings import Settings
from chat.state import create_chat
from tests.support.databases import execute, query
from tests.support.hostile_pages import HostilePages, hostile_pages
from tests.support.live_client import LiveClient
from tests.support.people import Person, browser
from tests.support.server import SECRET_KEY, ChatServer

ALLOWED = {"LINK_PREVIEWS": "yes", "LINK_PREVIEW_ALLOW": "127.0.0.1/32"}
StartServer = Callable[..., ChatServer]


@pytest.fixture
def pages() -> Iterator[HostilePages]:
    with hostile_pages() as found:
        yield found


def at(person: Person, server: ChatServer) -> Person:
    """The same person at another process."""
    there = browser(server)
    there.cookies.update(person.client.cookies)
    return Person(person.name, person.email, there, server)


def wait(condition: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.anyio
async def test_a_preview_appears_once_on_open_pages_of_every_process(
    alice: Person, bob: Person, start_server: StartServer, pages: HostilePages
) -> None:
    url = alice.server.database_url
    alice.server.stop()  # it fetches nothing
    first, second = (start_server(url, BROADCAST_URL=url, **ALLOWED) for _ in range(2))
    address = pages.page("/lanterns", "<title>Lanterns</title>")
    async with LiveClient(at(bob, first), 1) as near, LiveClient(at(alice, second), 1) as far:
        for number in range(4):
            await asyncio.to_thread(at(alice, first).post, 1, f"number {number} {address}")
        for page in (near, far):
            await page.until(lambda page=page: "".join(page.frames).count('class="preview"') >= 4, within=30)  # type: ignore[misc]  # a loop's own page
        await asyncio.sleep(1.5)  # one more look by each process
        for page in (near, far):
            assert "".join(page.frames).count('class="preview"') == 4
            assert page.doubled == []
    revisions = [row["revision"] for row in query(url, "SELECT revision FROM messages ORDER BY revision")]
    assert revisions == sorted(set(revisions))
    assert query(url, "SELECT revision FROM rooms WHERE id = 1")[0]["revision"] == 8
    assert pages.paths().count("/lanterns") <= 2, "once for each process"


def test_a_process_killed_while_it_fetches_leaves_nothing_half(
    alice: Person, start_server: StartServer, pages: HostilePages
) -> None:
    url = alice.server.database_url
    alice.server.stop()  # it fetches nothing
    dying = start_server(url, CRASH_POINTS="after_fetch:1", **ALLOWED)
    there = at(alice, dying)
    there.post(1, f"{pages.url}/article")
    assert dying.process is not None
    dying.process.wait(30)
    assert query(url, "SELECT link_count, revision FROM messages") == [(0, 1)]
    assert query(url, "SELECT count(*) FROM link_previews") == [(0,)]
    assert query(url, "SELECT due_at > now() FROM links_to_show") == [(True,)]
    assert query(url, "SELECT due_at > now() FROM stray_objects") == [(True,)], "its picture goes after a day"
    start_server(url, FILES_URL=str(dying.files), **ALLOWED)
    query(url, "UPDATE links_to_show SET due_at = now() RETURNING 1")  # a minute later
    wait(lambda: query(url, "SELECT link_count, revision FROM messages") == [(1, 2)])
    assert query(url, "SELECT count(*) FROM links_to_show") == [(0,)]
    assert query(url, "SELECT count(*) FROM link_previews") == [(1,)]


def test_a_process_that_shuts_down_leaves_its_links_to_others_at_once(
    alice: Person, start_server: StartServer, pages: HostilePages
) -> None:
    url = alice.server.database_url
    alice.server.stop()  # it fetches nothing
    leaving = start_server(url, **ALLOWED)
    there = at(alice, leaving)
    there.post(1, f"{pages.url}/gated")
    wait(lambda: pages.paths() == ["/gated"])
    assert query(url, "SELECT due_at > now(), attempts FROM links_to_show") == [(True, 1)]
    assert leaving.stop() in {0, -15}
    assert query(url, "SELECT due_at <= now(), attempts FROM links_to_show") == [(True, 0)]
    pages.gate.set()


def test_many_links_to_slow_servers_delay_their_author_only(
    alice: Person, bob: Person, start_server: StartServer, pages: HostilePages
) -> None:
    url = alice.server.database_url
    alice.server.stop()  # it fetches nothing
    server = start_server(url, LINK_PREVIEWS="yes", LINK_PREVIEW_ALLOW="127.0.0.0/8")
    for number in range(8):
        at(bob, server).post(1, f"{pages.url}/gated?{number}")
    with hostile_pages("127.0.0.3") as others:
        at(alice, server).post(1, f"{others.url}/article")
        wait(lambda: query(url, "SELECT count(*) FROM link_previews WHERE title = 'Lanterns at dusk'") == [(1,)])
        assert query(url, "SELECT count(*) FROM links_to_show")[0]["count"] >= 6, "Bob's wait for their turn"


@pytest.mark.anyio
async def test_links_that_waited_for_an_hour_stay_links(database_url: str) -> None:
    await execute(database_url, _ROOM)
    await execute(database_url, _ROOM.replace("a@example.org", "b@example.org").replace("Hall", "Den"))
    await execute(database_url, _WAITING)
    engine = create_engine(database_url)
    try:
        async with engine.begin() as connection:
            await give_up(connection)
    finally:
        await engine.dispose()
    left = await asyncio.to_thread(query, database_url, "SELECT due_at > now() - interval '1 hour' FROM links_to_show")
    assert left == [(True,)]


def test_nothing_is_fetched_if_the_chat_may_not(alice: Person, pages: HostilePages) -> None:
    url = alice.server.database_url
    alice.post(1, "an original")
    alice.post(1, f"{pages.url}/article and [that](/rooms/1/messages/1)")
    wait(lambda: query(url, "SELECT count(*) FROM links_to_show") == [(0,)])
    page = alice.get("/rooms/1").text
    assert pages.asked == []
    assert 'class="preview"' not in page
    assert re.search(r'<a class="quoted" [^>]*><b>Alice Adams</b> an original</a>', page)


def test_a_private_address_is_not_fetched_unless_it_is_allowed(
    alice: Person, start_server: StartServer, pages: HostilePages
) -> None:
    url = alice.server.database_url
    alice.server.stop()  # it fetches nothing
    server = start_server(url, LINK_PREVIEWS="yes")
    at(alice, server).post(1, f"{pages.url}/article")
    wait(lambda: query(url, "SELECT failure FROM link_previews") == [("127.0.0.1 is not a public address",)])
    assert pages.asked == []


@pytest.mark.parametrize("value", ["all", "10.0.0.1/8", "example.org"])
def test_networks_that_make_no_sense_end_the_start(value: str) -> None:
    from chat.settings import SettingsError

    with pytest.raises(SettingsError, match="LINK_PREVIEW_ALLOW must be networks"):
        Settings.from_environment({"LINK_PREVIEW_ALLOW": value})


@pytest.mark.anyio
async def test_previews_that_no_message_shows_go_with_their_pictures(database_url: str) -> None:
    used, unused, fresh = uuid4(), uuid4(), uuid4()
    await execute(database_url, _ROOM)
    for key, age in ((used, "1 hour"), (unused, "1 hour"), (fresh, "0 hours")):
        await execute(database_url, _PREVIEW.format(key=key, age=age))
    await execute(database_url, _SHOWN.format(key=used))
    engine = create_engine(database_url)
    try:
        await delete_unused(engine)
    finally:
        await engine.dispose()
    left = await asyncio.to_thread(query, database_url, "SELECT picture FROM link_previews")
    assert {UUID(str(row["picture"])) for row in left} == {used, fresh}
    stray = await asyncio.to_thread(query, database_url, "SELECT key FROM stray_objects")
    assert [UUID(str(row["key"])) for row in stray] == [unused]


_ROOM = """
    WITH person AS (
        INSERT INTO users (email, name, password_hash, role) VALUES ('a@example.org', 'A', 'x', 'member') RETURNING id
    ), room AS (
        INSERT INTO rooms (kind, name, revision, message_count) VALUES ('open', 'Hall', 1, 1) RETURNING id
    )
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT room.id, person.id, gen_random_uuid(), 'hello', '<p>hello</p>', false, true, 1, 1, 1, now()
    FROM room, person
"""
_WAITING = """
    INSERT INTO links_to_show (message_id, due_at)
    SELECT id, now() - make_interval(mins => CASE row_number() OVER () WHEN 1 THEN 61 ELSE 59 END::int) FROM messages
"""
_PREVIEW = """
    INSERT INTO link_previews (address, host, expires_at, title, picture, picture_kind, width, height)
    VALUES ('https://example.org', 'example.org', now() - interval '{age}', 'It', '{key}', 'image/webp', 1, 1)
"""
_SHOWN = """
    INSERT INTO message_links (message_id, place, address, preview_id)
    SELECT messages.id, 1, 'https://example.org', link_previews.id FROM messages, link_previews WHERE picture = '{key}'
"""


@pytest.mark.anyio
async def test_a_post_without_a_link_makes_no_further_statement(alice: Person) -> None:
    environment = {"DATABASE_URL": alice.server.database_url, "SECRET_KEY": SECRET_KEY}
    chat = create_chat(Settings.from_environment(environment))
    author = Visitor(UserId(1), alice.name, email=alice.email, is_administrator=True, session_id=SessionId(1))
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        async with chat.broker, chat.workshop:
            made = []
            for body in ("warm", "hello", "see https://example.org"):
                statements.clear()
                await chat.posting.post(author, RoomId(1), body, uuid4())
                made.append(["links_to_show" in each for each in statements])
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        await chat.database.dispose()
    assert made[1] == [], "the statement that posts goes past SQLAlchemy, and none beside it"
    assert made[2] == [False, True]
