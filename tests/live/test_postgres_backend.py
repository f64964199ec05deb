"""What only the broker on PostgreSQL does."""

import asyncio
from collections.abc import Callable

import pytest

from tests.live.test_broker import connected, next_message
from tests.support.live_client import LiveClient
from tests.support.people import first_run
from tests.support.server import ChatServer

pytestmark = pytest.mark.anyio


async def test_what_notify_cannot_carry_is_counted_and_the_rest_goes_on(database_url: str) -> None:
    async with connected(database_url) as broker, broker.subscribe("room:1") as room:
        await broker.publish("room:1", "x" * 8_000)
        await broker.publish("room:1", "\0")
        await broker.publish("room:1", "fine")
        assert await next_message(room) == "fine"
        assert broker.backend.dropped == 2


async def test_two_processes_of_one_server_need_no_redis(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, WEB_CONCURRENCY="2")
    alice = first_run(server)
    async with LiveClient(alice, 1) as one, LiveClient(alice, 1) as two, LiveClient(alice, 1) as three:
        for number in range(30):
            body = f"{number} " + ("long " * 1_900 if number % 10 == 0 else "short")
            assert (await asyncio.to_thread(alice.post, 1, body)).status_code == 200
        for reader in (one, two, three):
            await reader.until(lambda reader=reader: len(reader.view) == 30, within=3)
            assert reader.inserted == sorted(set(reader.inserted))
