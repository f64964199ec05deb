"""A page that loses its network, sleeps, or keeps a dead connection."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsers import ARGUMENTS, LOST_SERVER, Windows, find_browser, unsent, wait_until, wait_until_live
from tests.support.people import Person, sign_up
from tests.torture.proxy import Proxy


def say(page: Page, text: str) -> None:
    page.fill("#body", text)
    page.keyboard.press("Enter")


def bodies(page: Page) -> list[str]:
    return page.locator("#messages .body").all_inner_texts()


def is_cut_off(page: Page) -> bool:
    """Return whether a page that is offline says so; emulated offline leaves sockets alone that were opened before."""
    page.evaluate("document.getElementById('live')._htmx.ws.connection.socket?.close()")
    page.wait_for_timeout(1000)
    return page.locator("#connection").is_visible()


def test_half_a_minute_without_network_loses_no_message(alice: Person, windows: Windows) -> None:
    bob = sign_up(alice.server, "Bob Brown")
    page = windows.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.context.set_offline(True)
    wait_until(lambda: is_cut_off(page), page)
    say(page, "from the tunnel")
    expect(unsent(page)).to_contain_text("Waiting for the connection.")
    for number in range(12):
        bob.post(1, f"message {number}")
        page.wait_for_timeout(2500)
    expect(page.locator("#connection")).to_be_visible()
    expect(unsent(page).locator(".body")).to_have_text("from the tunnel")
    page.context.set_offline(False)
    # After many failures Chromium itself holds each new socket back for up to five seconds.
    expect(page.locator("#connection")).to_be_hidden(timeout=15_000)
    expect(unsent(page)).to_have_count(0)
    expect(page.locator("#messages .body")).to_have_count(13)
    assert bodies(page) == alice.reads(1)


def browsers() -> set[psutil.Process]:
    """The processes of all browsers that run for this test."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found |= {process} if "chrom" in process.name() else set()
    return found


def tell(processes: set[psutil.Process], what: signal.Signals) -> None:
    """Send a signal to the processes that still run."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(what)


@pytest.fixture
def laptop(browser: Browser) -> Iterator[Windows]:
    """Windows of a browser of its own, which may be put to sleep without the others."""
    sleeper = browser.browser_type.launch(executable_path=find_browser(), args=ARGUMENTS)
    windows = Windows(sleeper)
    yield windows
    windows.close()
    sleeper.close()
    assert windows.complaints == []


def test_a_laptop_that_slept_catches_up_when_it_wakes(alice: Person, laptop: Windows) -> None:
    page = laptop.open_as(alice, "/rooms/1", expected=LOST_SERVER)
    page.locator("#body").press_sequentially("half a thou")
    processes = browsers()
    try:
        tell(processes, signal.SIGSTOP)
        for number in range(20):
            alice.post(1, f"message {number}")
            time.sleep(1)
    finally:
        tell(processes, signal.SIGCONT)
    expect(page.locator("#messages .body")).to_have_count(20, timeout=15_000)
    assert bodies(page) == alice.reads(1)
    expect(page.locator("#body")).to_have_value("half a thou")
    expect(page.locator("#connection")).to_be_hidden()


class ProxyThread:
    """The misbehaving network, beside a test that occupies its own thread."""

    def __init__(self, target_port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._proxy = Proxy(target_port)
        asyncio.run_coroutine_threadsafe(self._proxy.start(), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._proxy.port}"

    def fall_silent(self) -> None:
        self._loop.call_soon_threadsafe(self._proxy.fall_silent)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.stop(), self._loop).result(10)
        # The aborted connections close in the loop's next rounds.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def network(alice: Person) -> Iterator[ProxyThread]:
    proxy = ProxyThread(alice.server.port)
    yield proxy
    proxy.stop()


def test_a_silently_dead_connection_is_noticed(alice: Person, network: ProxyThread, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", url=network.url, expected=LOST_SERVER)
    alice.post(1, "heard")
    expect(page.locator("#messages .body")).to_have_text(["heard"])
    network.fall_silent()
    alice.post(1, "not heard")
    page.wait_for_timeout(3000)
    expect(page.locator("#messages .body")).to_have_text(["heard"])
    expect(page.locator("#messages .body")).to_have_text(["heard", "not heard"], timeout=50_000)
    expect(page.locator("#connection")).to_be_hidden()


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
