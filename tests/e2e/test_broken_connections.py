"""A page that loses its network or its database, sleeps, or keeps a dead connection."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.test_broken_servers import BROKEN, say, shown, stored
from tests.support.browsers import ARGUMENTS, LOST_SERVER, Windows, find_browser, unsent, wait_until, wait_until_live
from tests.support.people import Person, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server import ForkedServer
from tests.support.settled import settled_chat
from tests.torture.proxy import Proxy


def bodies(page: Page) -> list[str]:
    return page.locator("#messages .body").all_inner_texts()


def is_cut_off(page: Page) -> bool:
    """Return whether a page that is offline says so; emulated offline leaves sockets alone that were opened before."""
    page.evaluate("document.getElementById('live')._htmx.ws.connection.socket?.close()")
    page.wait_for_timeout(1000)
    return page.locator("#connection").is_visible()


def browsers() -> set[psutil.Process]:
    """The main processes of the browsers that run for these tests."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            parent = process.parent()
            if "chrom" in process.name() and (parent is None or "chrom" not in parent.name()):
                found.add(process)
    return found


def tell(processes: set[psutil.Process], what: signal.Signals) -> None:
    """Send a signal to the processes that still run."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(what)


class ProxyThread:
    """The misbehaving network, beside a test that occupies its own thread."""

    def __init__(self, target_port: int, kind: type[Proxy] = Proxy) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._proxy = kind(target_port)
        asyncio.run_coroutine_threadsafe(self._proxy.start(), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._proxy.port}"

    def fall_silent(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.fall_silent)

    def heal(self) -> None:
        self._proxy.blackhole = False

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.stop(), self._loop).result(10)
        # The aborted connections close in the loop's next rounds.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Laptop:
    """A browser of its own, which may be put to sleep without the others."""

    def __init__(self, browser: Browser) -> None:
        others = browsers()
        self._browser = browser.browser_type.launch(executable_path=find_browser(), args=ARGUMENTS)
        self._main = browsers() - others
        self.windows = Windows(self._browser)

    def sleep(self) -> None:
        """Stop all its processes."""
        self._processes = self._main.union(*(process.children(recursive=True) for process in self._main))
        assert len(self._processes) > 3
        tell(self._processes, signal.SIGSTOP)

    @property
    def is_asleep(self) -> bool:
        return all(process.status() == psutil.STATUS_STOPPED for process in self._processes if process.is_running())

    def wake(self) -> None:
        """Let its processes go on."""
        tell(self._processes, signal.SIGCONT)

    def close(self) -> None:
        self.windows.close()
        self._browser.close()


@pytest.fixture(scope="module")
def chat() -> Iterator[tuple[Person, Person]]:
    """Alice and Bob of a chat that all pages of the half minute belong to."""
    with settled_chat("alice", "bob") as (alice, bob):
        yield alice, bob


@pytest.fixture(scope="module")
def network(chat: tuple[Person, Person]) -> Iterator[ProxyThread]:
    proxy = ProxyThread(chat[0].server.port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def laptop(browser: Browser) -> Iterator[Laptop]:
    laptop = Laptop(browser)
    yield laptop
    laptop.close()
    assert laptop.windows.complaints == []


@pytest.fixture(scope="module")
def open_windows(browser: Browser) -> Iterator[Windows]:
    """Windows that stay open during all tests of the half minute."""
    windows = Windows(browser)
    yield windows
    windows.close()
    assert windows.complaints == []


class Outage:
    """A chat of two servers that loses its database, and two pages of Alice."""

    def __init__(self, windows: Windows, stack: ExitStack) -> None:
        self.postgres, redis_server = PostgresServer(), RedisServer()
        stack.callback(self.postgres.remove)
        stack.callback(redis_server.stop)
        redis_server.start()
        self.servers = [ForkedServer(self.postgres.url, redis_server.url) for _ in range(2)]
        for server in self.servers:
            stack.callback(server.remove)
            server.start()
        self._alice = first_run(self.servers[0])
        self.page, self.other = (windows.open_as(self._alice, "/rooms/1", expected=BROKEN) for _ in range(2))
        self._alice.post(1, "before")
        expect(self.page.locator("#messages")).to_contain_text("before")

    def begin(self) -> None:
        """Kill the database, and type and navigate without it."""
        self.postgres.kill()
        say(self.page, "typed while it was away")
        expect(unsent(self.page)).to_contain_text("The chat is having a short break.")
        self.other.goto(f"{self._alice.server.url}/rooms/1")
        expect(self.other.locator("h1")).to_have_text("The chat is having a short break")


@pytest.fixture(scope="module")
def outage(chat: tuple[Person, Person], open_windows: Windows) -> Iterator[Outage]:
    with ExitStack() as stack:
        yield Outage(open_windows, stack)


@dataclass
class HalfMinute:
    """Pages after half a minute: without network, asleep, with a dead connection, and without a database."""

    alice: Person
    cut_off: Page
    asleep: Page
    silent: Page
    heard: list[str]  # on the page with the dead connection, five seconds after another message
    rooms: dict[str, int]


@pytest.fixture(scope="module")
def half_minute(
    chat: tuple[Person, Person], open_windows: Windows, laptop: Laptop, network: ProxyThread, outage: Outage
) -> Iterator[HalfMinute]:
    """All wait at the same time."""
    alice, bob = chat
    rooms = {"cut off": 1, "asleep": alice.create_room("Asleep"), "silent": alice.create_room("Silent")}
    asleep = laptop.windows.open_as(alice, f"/rooms/{rooms['asleep']}", expected=LOST_SERVER)
    asleep.locator("#body").press_sequentially("half a thou")
    cut_off = open_windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    silent = open_windows.open_as(alice, f"/rooms/{rooms['silent']}", url=network.url, expected=LOST_SERVER)
    alice.post(rooms["silent"], "heard")
    expect(silent.locator("#messages .body")).to_have_text(["heard"])
    cut_off.context.set_offline(True)
    wait_until(lambda: is_cut_off(cut_off), cut_off)
    say(cut_off, "from the tunnel")
    expect(unsent(cut_off)).to_contain_text("Waiting for the connection.")
    outage.begin()
    laptop.sleep()
    try:
        network.fall_silent()
        alice.post(rooms["silent"], "not heard")
        for number in range(12):
            bob.post(1, f"message {number}")
            for half in ("a", "b"):
                alice.post(rooms["asleep"], f"message {number} {half}")
            cut_off.wait_for_timeout(2500)
            if number == 1:
                heard = bodies(silent)
        yield HalfMinute(alice, cut_off, asleep, silent, heard, rooms)
    finally:
        laptop.wake()


def test_half_a_minute_without_network_loses_no_message(half_minute: HalfMinute) -> None:
    page = half_minute.cut_off
    expect(page.locator("#connection")).to_be_visible()
    expect(unsent(page).locator(".body")).to_have_text("from the tunnel")
    page.context.set_offline(False)
    # After many failures Chromium itself holds each new socket back for up to five seconds.
    expect(page.locator("#connection")).to_be_hidden(timeout=15_000)
    expect(unsent(page)).to_have_count(0)
    expect(page.locator("#messages .body")).to_have_count(13)
    assert bodies(page) == half_minute.alice.reads(1)


def test_a_laptop_that_slept_catches_up_when_it_wakes(half_minute: HalfMinute, laptop: Laptop) -> None:
    page = half_minute.asleep
    assert laptop.is_asleep
    laptop.wake()
    expect(page.locator("#messages .body")).to_have_count(24, timeout=15_000)
    assert bodies(page) == half_minute.alice.reads(half_minute.rooms["asleep"])
    expect(page.locator("#body")).to_have_value("half a thou")
    expect(page.locator("#connection")).to_be_hidden()


def test_a_silently_dead_connection_is_noticed(half_minute: HalfMinute) -> None:
    page = half_minute.silent
    assert half_minute.heard == ["heard"]
    expect(page.locator("#messages .body")).to_have_text(["heard", "not heard"], timeout=50_000)
    expect(page.locator("#connection")).to_be_hidden()


def test_half_a_minute_without_the_database_loses_no_message(half_minute: HalfMinute, outage: Outage) -> None:
    page, other = outage.page, outage.other
    expect(unsent(page).locator(".body")).to_have_text("typed while it was away")
    expect(other.locator("h1")).to_have_text("The chat is having a short break")
    for server in outage.servers:
        assert server.process is not None
        assert server.process.poll() is None, "no process exits"
    outage.postgres.start()
    expect(unsent(page)).to_have_count(0, timeout=15_000)
    expect(page.locator("#notice")).to_be_empty()
    for window in (page, other):
        expect(window.locator("#messages .body")).to_have_text(["before", "typed while it was away"], timeout=15_000)
    assert shown(page) == shown(other) == [(number, text) for number, _, text in stored(outage.postgres.url)]


def test_a_silent_connection_is_replaced_though_the_clock_was_set_back(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1")
    wait_until_live(page)
    with page.expect_websocket(timeout=20_000):
        page.evaluate("""() => {
            const date = Date.now;
            let back = 3_600_000;
            Date.now = () => date() - back;
            // The server may say something right after a jump.
            window.jumps = setInterval(() => (back += 37_000), 1000);
        }""")
    page.evaluate("clearInterval(window.jumps)")
    wait_until_live(page)
    alice.post(1, "still here")
    expect(page.locator("#messages")).to_contain_text("still here")
