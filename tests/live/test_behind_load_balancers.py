"""Several processes behind a real nginx, haproxy and Caddy, configured as we recommend."""

import asyncio
import os
import random
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest

from tests.support.databases import query
from tests.support.live_client import LiveClient
from tests.support.load_balancer import LoadBalancer, find_load_balancer
from tests.support.people import Person, first_run, sign_up
from tests.support.raw import has_ended
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer, ForkedServer
from tests.support.settled import settled_database, settled_person
from tests.torture.writers import Writer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured")]

# They cut silent connections; Caddy does not.
CUTTING = ("nginx", "haproxy")
KINDS = (*CUTTING, "caddy")
READERS = 20  # behind each load balancer
BACK_WITHIN_SECONDS = 5
# The balancers of one test cut what is silent for so long, not for a minute as others do.
SILENCE = 20
# Ten minutes: IDLE_SECONDS=600.
IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", "30"))


@pytest.fixture
def servers(start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer) -> list[ChatServer]:
    return [start_server(database_url, redis_server.url) for _ in range(3)]


@pytest.fixture
def start_balancer(servers: list[ChatServer]) -> Iterator[Callable[..., LoadBalancer]]:
    balancers: list[LoadBalancer] = []

    def start(kind: str) -> LoadBalancer:
        if find_load_balancer(kind) is None and "CI" not in os.environ:
            pytest.skip(f"{kind} is not installed")
        balancers.append(LoadBalancer(kind, servers))
        return balancers[-1]

    yield start
    for balancer in balancers:
        balancer.stop()


@dataclass
class Idle:
    """Readers behind load balancers that have been silent since a moment, each of a room of its own."""

    alice: Person
    readers: list[LiveClient]
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.heard = [len(reader.frames) for reader in self.readers]


@pytest.fixture(scope="module", autouse=True)
async def idle(anyio_backend: str) -> AsyncIterator[Idle]:
    """They are idle while the other tests of this file run."""
    async with AsyncExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(ForkedServer, "is_measured", False)
        servers: list[ChatServer] = [ForkedServer(stack.enter_context(settled_database(["alice"])))]
        for server in servers:
            stack.callback(server.remove)
            server.start()
        alice = settled_person(servers[0], "Alice Adams")
        assert alice
        readers = []
        for kind in filter(find_load_balancer, CUTTING):
            balancer = LoadBalancer(kind, servers * 3, SILENCE)
            stack.callback(balancer.stop)
            room = await asyncio.to_thread(alice.create_room, f"Idle behind {kind}")
            readers.append(await stack.enter_async_context(LiveClient(alice, room, urls=[balancer.url])))
        await asyncio.sleep(2)
        yield Idle(alice, readers)


async def test_a_rolling_restart_under_load_loses_no_message_and_no_reader(
    servers: list[ChatServer], database_url: str, start_balancer: Callable[..., LoadBalancer]
) -> None:
    addresses = [start_balancer(kind).url for kind in found_kinds()]
    people = [first_run(servers[0]), *(sign_up(servers[0], f"Person {number}") for number in range(5))]
    writers = [
        Writer(person, [address], [1], random.Random(number))
        for number, (person, address) in enumerate(zip(people, 2 * addresses, strict=False))
    ]
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(LiveClient(people[number % 6], 1, urls=[address], keeps_frames=False))
            for address in addresses
            for number in range(READERS)
        ]
        loop = asyncio.get_running_loop()
        writing = [asyncio.create_task(writer.write(loop.time() + 3600, pause=0.1)) for writer in writers]
        for server in servers:
            await asyncio.sleep(1)
            assert await asyncio.to_thread(server.stop) == 0
            await asyncio.to_thread(server.start)
        async with asyncio.timeout(60):
            while any(len(writer.texts) <= 20 for writer in writers):
                await asyncio.sleep(0.1)
        # A cancelled writer might leave a change that is committed only after our query.
        for writer in writers:
            writer.is_done = True
        async with asyncio.timeout(60):
            await asyncio.gather(*writing)
        rows = query(database_url, "SELECT id, body, edited_at, deleted_at FROM messages ORDER BY id")
        stored = {row["id"]: row["body"] for row in rows}
        for reader in readers:
            await reader.until(partial(has_messages, reader, list(stored)))
        for reader in readers:
            # An edit or a deletion may still be in flight to some readers.
            await reader.until(partial(agree, reader, readers[0]))
            assert not reader.doubled
        for address in addresses:
            away = [reader.longest_away for reader in readers if reader.connections > 1 and reader.urls == [address]]
            assert away, "some reader was disconnected"
            assert statistics.median(away) < BACK_WITHIN_SECONDS
            assert max(away) < 4 * BACK_WITHIN_SECONDS, "only chance and pauses make a reader wait longer"
    for writer in writers:
        assert set(writer.texts) <= set(stored), "every acknowledged message is stored"
    bodies = [body for body in stored.values() if body]
    assert len(bodies) == len(set(bodies)), "nothing was posted twice"


async def test_half_requests_end_at_every_load_balancer_and_lock_no_visitor_out(
    servers: list[ChatServer], start_balancer: Callable[..., LoadBalancer]
) -> None:
    alice = first_run(servers[0])
    kinds = found_kinds()

    async def attack(balancer: LoadBalancer, room: int) -> None:
        address = ("127.0.0.1", balancer.port)
        with ExitStack() as stack:
            half_requests = [stack.enter_context(socket.create_connection(address)) for _ in range(300)]
            for number, connection in enumerate(half_requests):
                form = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nemail="
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " if number % 2 else form)
            async with LiveClient(alice, room, urls=[balancer.url]) as reader:
                await asyncio.to_thread(alice.post, room, "Hello")
                await reader.until(lambda: list(reader.view.values()) == ["Hello"])
                async with asyncio.timeout(60):
                    while not all(has_ended(connection) for connection in half_requests):
                        await asyncio.sleep(0.5)
                assert reader.connections == 1

    rooms = [alice.create_room(f"Behind {kind}") for kind in kinds]
    # At the same time: each waits ten seconds for the half requests to end.
    async with asyncio.TaskGroup() as tasks:
        for kind, room in zip(kinds, rooms, strict=True):
            tasks.create_task(attack(start_balancer(kind), room))


@pytest.mark.parametrize("kind", KINDS)
def test_a_visitors_forwarded_headers_are_overwritten(
    kind: str, start_server: Callable[..., ChatServer], database_url: str
) -> None:
    if find_load_balancer(kind) is None and "CI" not in os.environ:
        pytest.skip(f"{kind} is not installed")
    server = start_server(database_url)
    balancer = LoadBalancer(kind, [server] * 3)
    try:
        made_up = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.99"}
        answer = httpx.get(f"{balancer.url}/sign-in", headers=made_up)
        assert answer.status_code == 303
        assert "strict-transport-security" not in answer.headers
        until(lambda: "GET /sign-in" in server.log)
        assert "address=127.0.0.1" in server.log
        assert "203.0.113.99" not in server.log
    finally:
        balancer.stop()


async def test_idle_connections_outlive_the_proxys_timeout(idle: Idle) -> None:
    if len(idle.readers) < len(CUTTING) and "CI" not in os.environ:
        pytest.skip("a load balancer is not installed")
    assert len(idle.readers) == len(CUTTING)
    await asyncio.sleep(max(0.0, idle.since + IDLE_SECONDS - time.monotonic()))
    assert [len(reader.frames) for reader in idle.readers] == idle.heard, "it was silent"
    assert [reader.connections for reader in idle.readers] == [1, 1]
    for reader in idle.readers:
        assert reader.room_id
        await asyncio.to_thread(idle.alice.post, reader.room_id, "still here")
        await reader.until_shows("still here")
    assert [reader.connections for reader in idle.readers] == [1, 1]


def found_kinds() -> list[str]:
    """Return the load balancers of this machine: in continuous integration all; skips the test without any."""
    kinds = [kind for kind in KINDS if "CI" in os.environ or find_load_balancer(kind)]
    return kinds or pytest.skip("no load balancer is installed")


def has_messages(reader: LiveClient, ids: list[int]) -> bool:
    return sorted(reader.view) == ids


def agree(reader: LiveClient, other: LiveClient) -> bool:
    return reader.view == other.view


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
