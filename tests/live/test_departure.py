"""Processes that are shutting down."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.server import ChatServer

pytestmark = pytest.mark.anyio

# The chat, with more time to disconnect its readers, so that a test can act meanwhile even on a machine that stands
# still for seconds.
SERVE = """
from chat.__main__ import main
from chat.live import departure

departure.LEAVE_SECONDS, departure.LEAVE_RATE = {seconds}, {rate}
main(["serve"])
"""


def leaves_in(server: ChatServer, seconds: float, readers: int) -> None:
    """Restart a server that will take this long to disconnect this many readers."""
    server.stop()
    server.command = ["-c", SERVE.format(seconds=seconds, rate=readers / seconds)]
    server.start()


async def readiness_while_leaving(server: ChatServer) -> int:
    """Wait until a server that shuts down is no longer ready; returns the status of `/readyz`."""
    async with asyncio.timeout(20), httpx.AsyncClient(base_url=server.url, timeout=10) as balancer:
        while (status := (await balancer.get("/readyz")).status_code) == 200:
            await asyncio.sleep(0.01)
    return status


async def test_a_restart_tells_pages_to_reconnect(alice: Person) -> None:
    async with LiveClient(alice, 1) as reader:
        await asyncio.to_thread(alice.server.stop)
        await reader.until(lambda: reader.closed_with is not None)
        assert reader.closed_with in (1012, 1006)
        await asyncio.to_thread(alice.server.start)
        await asyncio.to_thread(alice.post, 1, "back")
        await reader.until_shows("back")


async def test_a_process_shutting_down_disconnects_readers_in_small_groups(alice: Person) -> None:
    leaves_in(alice.server, seconds=4, readers=40)
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(LiveClient(alice, 1)) for _ in range(40)]
        left: list[float] = []
        loop = asyncio.get_running_loop()

        async def leave(reader: LiveClient) -> None:
            await reader.until(lambda: reader.closed_with is not None, within=20)
            left.append(loop.time())
            assert reader.closed_with == 1012

        waiting = asyncio.gather(*(leave(reader) for reader in readers))
        assert await asyncio.to_thread(alice.server.stop) == 0
        await waiting
        assert 0.5 < max(left) - min(left) < 10


async def test_a_process_shutting_down_serves_pages_but_no_new_sockets(alice: Person) -> None:
    leaves_in(alice.server, seconds=30, readers=10)
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(LiveClient(alice, 1))
        assert alice.server.process is not None
        alice.server.process.send_signal(signal.SIGTERM)
        assert await readiness_while_leaving(alice.server) == 503
        assert (await asyncio.to_thread(alice.post, 1, "a last word")).status_code == 200
        assert "a last word" in (await asyncio.to_thread(alice.get, "/rooms/1")).text
        cookie = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
        with pytest.raises(InvalidStatus, match="503"):
            async with connect(
                f"{alice.server.url.replace('http', 'ws')}/live",
                origin=alice.server.origin,
                additional_headers={"Cookie": cookie},
            ):
                pass
        # A second signal skips the rest of the half minute.
        assert await asyncio.to_thread(alice.server.stop) == 0


async def test_a_second_signal_ends_a_process_at_once(alice: Person) -> None:
    leaves_in(alice.server, seconds=30, readers=10)
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(LiveClient(alice, 1))
        assert alice.server.process is not None
        alice.server.process.send_signal(signal.SIGINT)
        # A process merges two signals that it has not taken yet.
        assert await readiness_while_leaving(alice.server) == 503
        asked = time.monotonic()
        alice.server.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(alice.server.process.wait, 25) == 0
        assert time.monotonic() - asked < 15, "to disconnect them would have taken half a minute"


async def test_a_stalled_reader_does_not_block_a_shutdown(alice: Person) -> None:
    client = LiveClient(alice, 1)
    await client.load()
    address = f"{alice.server.url.replace('http', 'ws')}/rooms/1/live?after={client.after}&epoch={client.epoch}"
    cookie = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
    async with connect(
        address, origin=alice.server.origin, additional_headers={"Cookie": cookie}, max_queue=1
    ) as socket:
        socket.transport.pause_reading()
        started = time.monotonic()
        assert await asyncio.to_thread(alice.server.stop) == 0
        assert time.monotonic() - started < 25


async def test_a_hanging_database_does_not_block_a_shutdown(
    start_server: Callable[..., ChatServer], postgres_server: PostgresServer
) -> None:
    server = start_server(postgres_server.url, GRACE="8")
    alice = first_run(server)
    async with LiveClient(alice, 1) as reader:
        with postgres_server.frozen():
            unanswered = asyncio.create_task(asyncio.to_thread(alice.post, 1, "nobody answers"))
            await asyncio.sleep(2)
            asked = time.monotonic()
            assert await asyncio.to_thread(server.stop) == 0
            assert time.monotonic() - asked < 20
            await asyncio.gather(unanswered, return_exceptions=True)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(alice.post, 1, "here again")
        await reader.until_shows("here again")
