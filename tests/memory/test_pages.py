"""Pages of long messages are shorter, and link to the rest."""

import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.attacks.writing import WORST, fill, post
from tests.support.databases import execute, run
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

MOST_BYTES = 2_000_000  # of a page: a quarter of a megabyte of markup, the last message, and the page around them


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<li id="m-(\d+)"', page)]


def test_a_reader_pages_back_through_long_messages_without_a_gap(alice: Person) -> None:
    fill(alice, 1, 60, WORST)
    page = alice.get("/rooms/1").text
    seen = numbers(page)
    assert 0 < len(seen) < 50
    pages = 1
    while older := re.findall(r'hx-get="(/rooms/1/messages\?before=\d+)"', page):
        page = alice.get(html.unescape(older[0])).text
        assert len(page) < MOST_BYTES
        seen = numbers(page) + seen
        pages += 1
    assert seen == sorted(set(seen))
    assert len(seen) == 60
    assert pages > 2


def test_a_permalink_to_a_long_message_shows_its_neighbours_too(alice: Person) -> None:
    fill(alice, 1, 60, WORST)
    seen = numbers(alice.get("/rooms/1/messages/30").text)
    assert seen[0] < 30 < seen[-1]
    assert len(seen) < 50


def test_a_page_of_ordinary_messages_has_fifty(alice: Person) -> None:
    fill(alice, 1, 60, "An ordinary message, as people write them.")
    assert len(numbers(alice.get("/rooms/1").text)) == 50
    assert len(numbers(alice.get("/rooms/1/messages/30").text)) == 50


def test_a_reader_pages_through_long_mentions(alice: Person) -> None:
    fill(alice, 1, 12, WORST)
    everything = (
        "INSERT INTO mentions (user_id, message_id, room_id, position) SELECT $1, id, room_id, position FROM messages"
    )
    run(execute(alice.server.database_url, everything, alice.id))
    seen: list[int] = []
    path = "/mentions"
    while path:
        page = alice.get(path).text
        assert len(page) < MOST_BYTES
        seen += [int(number) for number in re.findall(r'href="/rooms/1/messages/(\d+)#', page)]
        path = next(iter(re.findall(r'href="(/mentions\?before=\d+)"', page)), "")
    assert seen == list(range(12, 0, -1))


def test_a_reader_pages_through_long_pinned_messages(alice: Person) -> None:
    fill(alice, 1, 12, WORST)
    pin = "UPDATE messages SET pinned_at = now() + id * interval '1 second', pinned_by = $1"
    run(execute(alice.server.database_url, pin, alice.id))
    seen: list[int] = []
    path = "/rooms/1/pinned"
    while path:
        page = alice.get(path).text
        assert len(page) < MOST_BYTES
        seen += [int(number) for number in re.findall(r'href="/rooms/1/messages/(\d+)#', page)]
        path = next(iter(re.findall(r'href="(/rooms/1/pinned\?after=\d+)"', page)), "")
    assert seen == list(range(12, 0, -1))


@pytest.mark.anyio
async def test_a_reader_with_many_long_messages_to_catch_up_reloads(alice: Person) -> None:
    async with LiveClient(alice, 1) as reader:
        reader.abort()
        fill(alice, 1, 100, WORST)
        await reader.until(lambda: len(reader.view) > 0 and max(reader.view) == 100)
        assert max(map(len, reader.frames), default=0) < MOST_BYTES


@pytest.mark.anyio
async def test_a_reader_with_hundreds_of_messages_to_catch_up_receives_them(alice: Person) -> None:
    async with LiveClient(alice, 1) as reader:
        reader.abort()
        fill(alice, 1, 450, "An ordinary message, as people write them.")
        await reader.until_sees(450)
        assert not any("/reload" in frame for frame in reader.frames)


@pytest.mark.anyio
async def test_messages_too_long_for_a_hint_arrive_on_another_process(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    first = start_server(database_url, redis_server.url)
    second = start_server(database_url, redis_server.url)
    alice = first_run(first)
    async with LiveClient(alice, 1, urls=[second.url]) as reader:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: post(alice, 1, 1, f"{number} {WORST}"), range(8)))
        await reader.until_sees(8, within=30)
