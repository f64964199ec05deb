"""The broker on PostgreSQL, for several processes without a Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from broadcaster._base import Subscriber

from chat.live.broker import RESYNC, Broker, PostgresBackend, create_broadcast
from tests.support.databases import execute
from tests.support.live_client import LiveClient
from tests.support.people import first_run
from tests.support.ports import free_port
from tests.support.server import ChatServer

pytestmark = pytest.mark.anyio

KILL_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Broker]:
    broker = create_broadcast(url)
    async with broker:
        async with asyncio.timeout(10):
            while not broker.backend.is_connected:
                await asyncio.sleep(0.01)
        yield broker


async def next_of(subscriber: Subscriber, within: float = 5) -> str:
    async with asyncio.timeout(within):
        return str((await subscriber.get()).message)


async def heard_again(broker: Broker, subscriber: Subscriber, channel: str) -> None:
    async with asyncio.timeout(10):
        while True:
            await broker.publish(channel, "again")
            try:
                if await next_of(subscriber, 0.2) == "again":
                    return
            except TimeoutError:
                continue


async def test_messages_arrive_in_order_and_only_in_their_channel(database_url: str) -> None:
    async with connected(database_url) as one, connected(database_url) as two:
        assert isinstance(one.backend, PostgresBackend)
        async with two.subscribe("room:1") as first, two.subscribe("room:2") as second:
            for number in range(300):
                await one.publish("room:1", str(number))
            await one.publish("room:2", "größer 👋")
            assert [await next_of(first) for _ in range(300)] == [str(number) for number in range(300)]
            assert await next_of(second) == "größer 👋"


async def test_a_channel_can_be_left_and_joined_again(database_url: str) -> None:
    async with connected(database_url) as broker:
        for number in range(3):
            async with broker.subscribe("room:1") as subscriber:
                await broker.publish("room:1", str(number))
                assert await next_of(subscriber) == str(number)


async def test_lost_connections_are_replaced_and_a_resync_says_so(database_url: str) -> None:
    async with (
        connected(database_url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("room:1") as room,
    ):
        for _ in range(2):
            await heard_again(broker, room, "room:1")
            while not resync._queue.empty():
                await next_of(resync)
            await execute(database_url, KILL_ALL)
            assert await next_of(resync, within=10) == "connected"
            await heard_again(broker, room, "room:1")


async def test_a_database_that_is_away_is_waited_for_by_nobody() -> None:
    broker = create_broadcast(f"postgresql://127.0.0.1:{free_port()}/nothing")
    async with broker, broker.subscribe("room:1"):
        started = time.monotonic()
        for _ in range(100):
            await broker.publish("room:1", "lost")
        assert time.monotonic() - started < 0.1
        assert not broker.backend.is_connected


async def test_what_notify_cannot_carry_is_counted_and_the_rest_goes_on(database_url: str) -> None:
    async with connected(database_url) as broker, broker.subscribe("room:1") as room:
        await broker.publish("room:1", "x" * 8_000)
        await broker.publish("room:1", "\0")
        await broker.publish("room:1", "fine")
        assert await next_of(room) == "fine"
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
