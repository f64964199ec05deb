"""Alice and Bob in real browsers while the servers behind them die in turn."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import LOST_SERVER, Windows, unsent
from tests.support.databases import query
from tests.support.people import first_run, sign_up
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

BROKEN = (*LOST_SERVER, "503 (Service Unavailable)", "htmx:response:error")


@pytest.fixture
def servers(
    start_server: Callable[..., ChatServer], postgres_server: PostgresServer, redis_server: RedisServer
) -> list[ChatServer]:
    return [start_server(postgres_server.url, redis_server.url) for _ in range(2)]


def say(page: Page, text: str) -> None:
    page.fill("#body", text)
    page.keyboard.press("Enter")


def shown(page: Page) -> list[tuple[str, str]]:
    """The messages on the page: their ids and texts, in order."""
    script = "items => items.map(item => [item.id, item.querySelector('.body').innerText])"
    return [(number, text) for number, text in page.locator("#messages > .message").evaluate_all(script)]


def stored(url: str) -> list[tuple[str, str]]:
    """The same as the database has it."""
    rows = query(url, "SELECT id, body FROM messages WHERE room_id = 1 ORDER BY position")
    return [(f"m-{row['id']}", row["body"]) for row in rows]


def test_alice_and_bob_see_the_stored_room_after_every_crash(
    servers: list[ChatServer], postgres_server: PostgresServer, redis_server: RedisServer, windows: Windows
) -> None:
    alice, bob = first_run(servers[0]), sign_up(servers[1], "Bob Brown")
    hers, his = (windows.open_as(person, "/rooms/1", expected=BROKEN) for person in (alice, bob))
    faults: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "her server": (servers[0].kill, servers[0].start),
        "his server": (servers[1].kill, servers[1].start),
        "Redis": (redis_server.kill, redis_server.start),
        "PostgreSQL": (postgres_server.kill, postgres_server.start),
    }
    for what, (break_it, mend_it) in faults.items():
        break_it()
        for page, name in ((hers, "alice"), (his, "bob")):
            say(page, f"{name} without {what}")
        hers.wait_for_timeout(2000)
        mend_it()
        for page in (hers, his):
            expect(unsent(page)).to_have_count(0, timeout=30_000)
            expect(page.locator("#connection")).to_be_hidden(timeout=10_000)
    truth = stored(postgres_server.url)
    assert sorted(text for _, text in truth) == sorted(
        f"{n} without {what}" for what in faults for n in ("alice", "bob")
    )
    for page in (hers, his):
        expect(page.locator("#messages > .message")).to_have_count(len(truth), timeout=10_000)
        assert shown(page) == truth


def test_half_a_minute_without_the_database_loses_no_message(
    servers: list[ChatServer], postgres_server: PostgresServer, windows: Windows
) -> None:
    alice = first_run(servers[0])
    page = windows.open_as(alice, "/rooms/1", expected=BROKEN)
    other = windows.open_as(alice, "/rooms/1", expected=BROKEN)
    alice.post(1, "before")
    expect(page.locator("#messages")).to_contain_text("before")
    postgres_server.kill()
    say(page, "typed while it was away")
    expect(unsent(page)).to_contain_text("The chat is having a short break.")
    other.goto(f"{alice.server.url}/rooms/1")
    expect(other.locator("h1")).to_have_text("The chat is having a short break")
    page.wait_for_timeout(30_000)
    expect(unsent(page).locator(".body")).to_have_text("typed while it was away")
    expect(other.locator("h1")).to_have_text("The chat is having a short break")
    for server in servers:
        assert server.process is not None
        assert server.process.poll() is None, "no process exits"
    postgres_server.start()
    expect(unsent(page)).to_have_count(0, timeout=15_000)
    expect(page.locator("#notice")).to_be_empty()
    for window in (page, other):
        expect(window.locator("#messages .body")).to_have_text(["before", "typed while it was away"], timeout=15_000)
    assert shown(page) == shown(other) == stored(postgres_server.url)
