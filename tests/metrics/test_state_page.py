"""The page about the state of the chat, for administrators."""

import asyncio
import re
from collections.abc import Callable
from functools import partial

import pytest

from chat.metrics.minute import Minute
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.scrape import until
from tests.support.server import ChatServer


def words_of(person: Person) -> str:
    """The text of the page."""
    page = person.get("/admin/state").text
    main = page[page.index('id="state"') : page.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main.partition(">")[2]).split())


@pytest.mark.anyio
async def test_the_page_says_in_words_what_the_chat_did_in_the_last_minute(alice: Person, bob: Person) -> None:
    before = words_of(alice)
    assert "failed" not in before
    assert "0 messages were posted" in before
    async with LiveClient(alice, 1), LiveClient(bob, 1) as page:
        await asyncio.to_thread(bob.post, 1, "lunch at noon?")
        await page.until_shows("lunch at noon?")
        words = await asyncio.to_thread(words_of, alice)
    assert "2 people have the chat open; 2 pages are connected. No reader is too slow." in words
    assert "1 message was posted, and 2 deliveries made to open pages" in words
    # A machine that stands still delivers late, and the page says so.
    assert ("each within a second." in words) is not ("Some messages came late." in words)
    assert "none of them with an error" in words
    assert "None: a single process needs none." in words
    assert re.search(r"It answers\. \d connections? of 20 in use\.", words)
    assert re.search(r"Process \d+ Since .*, \d\d:\d\d UTC \. 2 pages, \d+ requests, \d+ megabytes of memory", words)
    assert words.count("Process ") == 1


@pytest.mark.anyio
async def test_the_page_has_the_processes_of_other_servers_and_names_what_is_wrong(
    start_server: Callable[..., ChatServer], postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    server = start_server(postgres_server.url, redis_server.url)
    other = start_server(postgres_server.url, redis_server.url)
    alice = first_run(server)
    until(server, "broker_up", 1)
    assert other.process is not None
    async with asyncio.timeout(60):
        while f"Process {other.process.pid} " not in (words := words_of(alice)) or "Redis answers." not in words:
            await asyncio.sleep(0.1)
    assert "of 40 in use." in words, "20 for each server"
    redis_server.kill()
    until(server, "broker_up", 0)
    words = words_of(alice)
    assert "Messages arrive about a second late." in words
    assert "Redis is away." in words
    assert "All is well." not in words


def test_the_page_says_that_the_store_of_files_is_away(alice: Person) -> None:
    assert "Their folder or bucket works." in words_of(alice)
    alice.server.files.write_text("a file where the folder should be")
    words = words_of(alice)
    assert "Files cannot be sent or opened." in words
    assert "Not a directory" in words
    assert "All is well." not in words
    alice.server.files.unlink()
    assert "Files cannot be sent" not in words_of(alice)


def test_a_minute_forgets_what_is_older(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("chat.metrics.minute.monotonic", lambda: now)
    minute = Minute()
    assert minute.since_then({"posts": 3}) == {"posts": 3}
    for posts in range(200):
        minute.tick(partial(dict, posts=posts))
        now += 1.0
    grown = minute.since_then({"posts": 200})["posts"]
    assert 60 <= grown <= 66
