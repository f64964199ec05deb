"""The broker on PostgreSQL."""

import asyncio
from collections.abc import Callable

import pytest

from chat.live.brokers.broker import RESYNC
from tests.live.test_broker import connected, next_message
from tests.support.databases import execute
from tests.support.live_client import LiveClient
from tests.support.people import first_run
from tests.support.server import ChatServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("patient")]


async def test_foreign_notifications_neither_cause_resync_nor_stop_delivery(database_url: str) -> None:
    async with (
        connected(database_url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        await execute(database_url, "SELECT pg_notify('resync', '0<> a false alarm'), pg_notify('lobby', 'nonsense')")
        await broker.publish("lobby", "hel\0lo")
        assert await next_message(lobby) == "hel\ufffdlo", "PostgreSQL has no text with a NUL"
        with pytest.raises(TimeoutError):
            await next_message(resync, 0.1)


async def test_two_processes_of_a_server_need_no_redis(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, WEB_CONCURRENCY="2")
    alice = first_run(server)
    async with LiveClient(alice, 1) as one, LiveClient(alice, 1) as two, LiveClient(alice, 1) as three:
        for number in range(30):
            body = f"{number} " + ("long " * 1_900 if number % 10 == 0 else "short")
            assert (await asyncio.to_thread(alice.post, 1, body)).status_code == 200
        for reader in (one, two, three):
            await reader.until_sees(30)
            assert reader.inserted == sorted(set(reader.inserted))
