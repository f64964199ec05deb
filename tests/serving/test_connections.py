"""Accepting and closing connections when there are too many."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress

import anyio
import pytest

from chat.addresses import TrustedProxies
from chat.live.socket import TOO_MANY_PAGES
from chat.serving import connections as serving
from chat.serving.connections import MOST_HELD_BYTES, Connection, Connections
from chat.serving.files import backlog, most_connections
from tests.support.live_client import LiveClient
from tests.support.people import first_run, sign_in, sign_up
from tests.support.raw import STRANGER, cookies, dial, everything, form, has_ended, request
from tests.support.server import ChatServer

PROXY = "10.0.0.1"


class Crowd:
    """Connections from chosen addresses, and the list of closed connections."""

    def __init__(self, most: int = 1_000, most_per_address: int = 10) -> None:
        self.connections = Connections(most, most_per_address, TrustedProxies(PROXY))
        self.made_way: list[str] = []

    def open(self, peer: str, name: str = "") -> Connection | None:
        """A new idle connection."""
        place = self.connections.open(peer, lambda: self.made_way.append(name or peer))
        if place is not None:
            place.rest()
        return place

    def working(self, peer: str) -> Connection:
        """A new connection whose client waits for the server."""
        place = self.open(peer)
        assert place is not None
        place.work()
        return place


def test_the_oldest_idle_connection_is_closed_for_others_of_its_address() -> None:
    crowd = Crowd()
    for number in range(12):
        assert crowd.open("192.0.2.1", f"{number}") is not None
    assert crowd.made_way == ["0", "1"]
    assert crowd.open("192.0.2.2") is not None
    assert crowd.made_way == ["0", "1"]


def test_an_address_with_only_busy_connections_has_to_wait() -> None:
    crowd = Crowd()
    places = [crowd.working("192.0.2.1") for _ in range(10)]
    assert crowd.open("192.0.2.1") is None
    assert crowd.open("192.0.2.2") is not None
    places[0].close()
    assert crowd.open("192.0.2.1") is not None


def test_members_do_not_count_for_their_address() -> None:
    crowd = Crowd()
    for _ in range(30):
        crowd.working("192.0.2.1").prove()
    for _ in range(10):
        crowd.working("192.0.2.1")
    assert crowd.open("192.0.2.1") is None


@pytest.mark.parametrize(("first", "second", "same"), [
    ("2001:db8::1", "2001:db8::ffff:1", True),
    ("2001:db8::1", "2001:db8:0:1::1", False),
    ("192.0.2.1", "::ffff:192.0.2.1", True),
    ("192.0.2.1", "192.0.2.2", False),
])  # fmt: skip
def test_a_client_is_counted_by_the_network_it_can_use_freely(first: str, second: str, same: bool) -> None:
    crowd = Crowd()
    for _ in range(10):
        crowd.working(first)
    assert (crowd.open(second) is None) == same


def test_a_trusted_proxy_has_no_limit_per_address() -> None:
    crowd = Crowd()
    assert all(crowd.working(PROXY) for _ in range(100))


def test_half_of_all_connections_are_for_members() -> None:
    crowd = Crowd(most=100)
    for number in range(5):
        for _ in range(10):
            crowd.working(f"192.0.2.{number}")
    assert crowd.open("198.51.100.1") is None, "strangers have taken their half"


def test_the_most_crowded_address_loses_connections_when_half_are_used() -> None:
    crowd = Crowd(most=100)
    for number in range(10):
        crowd.open("192.0.2.1", f"crowded {number}")
    for number in range(40):
        crowd.open(f"198.51.100.{number}")
    for number in range(3):
        assert crowd.open(f"203.0.113.{number}") is not None
    assert crowd.made_way == ["crowded 0", "crowded 1", "crowded 2"]


def test_a_members_idle_connection_is_closed_when_all_connections_are_used() -> None:
    crowd = Crowd(most=20)
    places = [crowd.open(f"192.0.2.{number}", f"member {number}") for number in range(10)]
    for place in places:
        assert place is not None
        place.prove()
        place.rest()
    for number in range(10):
        crowd.working("198.51.100.1").prove()
        assert number >= 0
    assert crowd.open("203.0.113.1") is not None
    assert crowd.made_way == ["member 0"]


def test_closed_connections_leave_nothing_in_memory() -> None:
    crowd = Crowd()
    places = [crowd.working(f"192.0.2.{number % 7}") for number in range(50)]
    for number, place in enumerate(places):
        if number % 2:
            place.prove()
        place.rest()
        place.close()
        place.close()
        place.rest()
    assert (crowd.connections.count, crowd.connections.strangers) == (0, 0)
    assert not crowd.connections._networks
    assert not crowd.connections.resting_members


class Holder:
    """A connection that holds memory."""

    held = 0
    is_aborted = False

    def check(self) -> None:
        pass

    def abort(self) -> None:
        self.is_aborted = True


def test_the_largest_connections_are_dropped_when_memory_is_used_up() -> None:
    connections = Connections(100, 10, TrustedProxies(PROXY))
    holders = [Holder() for _ in range(10)]
    for number, holder in enumerate(holders):
        connections.watch(holder)
        connections.hold(holder, MOST_HELD_BYTES // 10 + (number - 5))
    connections.hold(holders[0], MOST_HELD_BYTES // 2)
    assert [holder.is_aborted for holder in holders] == [True] + [False] * 9
    assert connections.held <= MOST_HELD_BYTES


@pytest.mark.parametrize("files", [256, 1024, 20_000, 1_048_576])
def test_no_connection_is_accepted_without_a_file_for_it(files: int) -> None:
    assert most_connections(files) + backlog(files) <= files - 50
    assert most_connections(files) > files / 3


@pytest.fixture
def small_server(database_url: str) -> Iterator[ChatServer]:
    """A server that may have 1,024 files and sockets open."""
    server = ChatServer(database_url)
    server.limit_files(1_024)
    server.start()
    yield server
    server.remove()


@pytest.mark.anyio
async def test_half_requests_lock_no_visitor_out(small_server: ChatServer) -> None:
    alice = first_run(small_server)
    with ExitStack() as stack:

        def flood(source: str) -> None:
            for number in range(1_100):
                with suppress(OSError):
                    half = b"GET / HT" if number % 2 else form(small_server, "/sign-in", 1_000)
                    stack.enter_context(dial(small_server, source)).sendall(half)

        async with LiveClient(alice, 1) as reader:
            # From a stranger's address, from a proxy's address, and from many addresses.
            for source in (STRANGER, "127.0.0.1", *(f"127.0.3.{number}" for number in range(1, 3))):
                await asyncio.to_thread(flood, source)
                again = await asyncio.to_thread(sign_in, small_server, alice)
                await asyncio.to_thread(again.post, 1, f"While {source} floods")
                await reader.until_shows(f"While {source} floods")
            assert reader.connections == 1, "the open page was never disconnected"
    assert "Too many open files" not in small_server.log
    assert "Traceback" not in small_server.log


@pytest.fixture
def narrow_server(start_server: Callable[..., ChatServer], database_url: str) -> ChatServer:
    """A server that allows ten connections from one address without signing in."""
    return start_server(database_url, CONNECTIONS_PER_ADDRESS="10")


def test_new_connections_replace_idle_connections_but_not_members(narrow_server: ChatServer) -> None:
    alice = first_run(narrow_server)
    with ExitStack() as stack:
        mine = stack.enter_context(dial(narrow_server))
        mine.sendall(request(narrow_server, "/me.css", cookies(alice)))
        assert b"200 OK" in mine.recv(65536)
        others = [stack.enter_context(dial(narrow_server)) for _ in range(25)]
        with dial(narrow_server) as connection:
            connection.sendall(request(narrow_server, "/healthz", "Connection: close"))
            assert b"200 OK" in everything(connection)
        assert sum(has_ended(other) for other in others) >= 15
        mine.sendall(request(narrow_server, "/me.css", cookies(alice), "Connection: close"))
        assert b"200 OK" in everything(mine)


def test_strangers_behind_a_proxy_are_limited_by_their_own_address(narrow_server: ChatServer) -> None:
    alice = first_run(narrow_server)
    forwarded = "X-Forwarded-For: 192.0.2.1"

    def ask(*headers: str, path: str = "/sign-in") -> bytes:
        with dial(narrow_server, "127.0.0.1") as connection:
            connection.sendall(request(narrow_server, path, "Connection: close", *headers))
            return everything(connection)

    with ExitStack() as stack:
        for _ in range(10):
            waiting = stack.enter_context(dial(narrow_server, "127.0.0.1"))
            waiting.sendall(form(narrow_server, "/sign-in", 1_000, forwarded))
            waiting.sendall(b"email=")
        while b" 200 OK" in (refused := ask(forwarded)):
            pass
        assert b" 503 " in refused
        assert b"retry-after: 5" in refused.lower()
        assert b" 200 OK" in ask("X-Forwarded-For: 192.0.2.2")
        assert b" 303 " in ask(forwarded, cookies(alice)), "a signed-in member is redirected to the chat"
        for path in ("/healthz", "/readyz"):
            assert b" 200 OK" in ask(forwarded, path=path), "a load balancer would restart the process"


@pytest.mark.anyio
async def test_the_oldest_of_too_many_pages_is_disconnected_with_a_message(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    alice = first_run(start_server(database_url, PAGES_PER_PERSON="5"))
    bob = sign_up(alice.server, "Bob Brown")
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(LiveClient(bob, 1))
        pages = [await stack.enter_async_context(LiveClient(alice, None)) for _ in range(5)]
        newest = await stack.enter_async_context(LiveClient(alice, 1))
        async with asyncio.timeout(30):
            while pages[0].closed_with is None:
                await asyncio.sleep(0.05)
        assert pages[0].closed_with == TOO_MANY_PAGES
        assert "too many pages" in pages[0].frames[-1]
        await asyncio.to_thread(bob.post, 1, "Hello")
        for page in (newest, other):
            await page.until_shows("Hello")
        assert all(page.closed_with is None and page.connections == 1 for page in pages[1:])


@pytest.mark.anyio
async def test_the_log_says_how_many_connections_were_ended_and_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(serving, "REPORT_SECONDS", 0.02)
    crowd = Crowd(most_per_address=10)
    for _ in range(12):
        crowd.open("192.0.2.1")
    crowd.connections.note("slow_header")
    with caplog.at_level("INFO", logger="chat.audit"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crowd.connections.run)
            with anyio.fail_after(30):
                while not caplog.records:
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    (record,) = caplog.records
    assert record.message == "connections_dropped"
    assert vars(record)["fields"] == {"open": 10, "made_way": 2, "slow_header": 1}


@pytest.mark.anyio
async def test_clients_are_not_late_while_the_process_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "TICK_SECONDS", 0.01)
    crowd = Crowd()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crowd.connections.run)
        await anyio.sleep(0.05)
        before = crowd.connections.clock
        time.sleep(1)  # noqa: ASYNC251  as the process would
        await anyio.sleep(0.005)
        assert crowd.connections.clock - before < 0.1
        tasks.cancel_scope.cancel()
