"""Alice and Bob in real browsers while the servers behind them die in turn."""

import os
import random
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import LOST_SERVER, Windows, unsent
from tests.support.databases import query
from tests.support.people import first_run, sign_up
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

SEEDS = int(os.environ.get("OUTBOX_SEEDS", "2"))
Broken = ChatServer | RedisServer | PostgresServer
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


def stored(url: str) -> list[tuple[str, str, str]]:
    """The same as the database has it, with the authors' names."""
    authored = "SELECT messages.id, name, body FROM messages JOIN users ON users.id = author_id WHERE room_id = 1"
    return [(f"m-{row['id']}", row["name"], row["body"]) for row in query(url, f"{authored} ORDER BY position")]


def test_twenty_messages_typed_during_crashes_arrive_once_and_in_order(
    servers: list[ChatServer], postgres_server: PostgresServer, redis_server: RedisServer, windows: Windows
) -> None:
    """Alice and Bob are on different servers. `make outbox` tries more seeds."""
    people = first_run(servers[0]), sign_up(servers[1], "Bob Brown")
    pages = [windows.open_as(person, "/rooms/1", expected=BROKEN) for person in people]
    for seed in range(1, SEEDS + 1):
        chance = random.Random(seed)
        faults: list[Broken] = [*servers, redis_server, postgres_server]
        chance.shuffle(faults)
        mended_at: dict[int, Broken] = {}
        for number in range(20):
            if number % 5 == 0:
                broken = faults.pop()
                broken.kill()
                mended_at[number + chance.randint(1, 5)] = broken
            for page in pages:
                say(page, f"message {number} of seed {seed}")
            pages[0].wait_for_timeout(chance.uniform(0, 200))
            if number + 1 in mended_at:
                mended_at[number + 1].start()
        for page in pages:
            expect(unsent(page)).to_have_count(0, timeout=30_000)
            expect(page.locator("#connection")).to_be_hidden(timeout=10_000)
        truth = stored(postgres_server.url)[-40:]
        for person in people:
            texts = [text for _, author, text in truth if author == person.name]
            assert texts == [f"message {number} of seed {seed}" for number in range(20)], (person.name, seed)
        for page in pages:
            expect(page.locator("#messages > .message")).to_have_count(40 * seed, timeout=10_000)
            assert shown(page)[-40:] == [(number, text) for number, _, text in truth]
