"""Connections that something between a page and its server ends, with codes of its own, or never opens."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.e2e.test_broken_connections import ProxyThread
from tests.support.browsers import LOST_SERVER, Windows, wait_until, wait_until_live
from tests.support.people import Person
from tests.torture.proxy import Proxy

# Normal, protocol error, unsupported, no code, bad data, policy, too big, an extension, no TLS, a library's own.
CODES = (1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1015, 3000)


class NoWebsockets(Proxy):
    """Passes everything on but websockets, whose handshakes it never answers."""

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self.blackhole = True

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            while self.blackhole and b"Upgrade: websocket" in data:
                await asyncio.sleep(0.05)
            writer.write(data)
            await writer.drain()


@pytest.fixture
def no_websockets(alice: Person) -> Iterator[ProxyThread]:
    proxy = ProxyThread(alice.server.port, NoWebsockets)
    yield proxy
    proxy.stop()


def test_a_connection_that_a_proxy_has_ended_with_any_code_comes_back(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, expected=LOST_SERVER)
    opened: list[WebSocketRoute] = []

    def pass_on(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        opened.append(socket)

    page.route_web_socket("**/live*", pass_on)
    page.goto(f"{alice.server.url}/rooms/1")
    wait_until_live(page)
    for number, code in enumerate(CODES, start=1):
        opened[-1].close(code=code)
        wait_until(lambda: len(opened) > number, page)  # noqa: B023
        wait_until_live(page)
        alice.post(1, f"after {code}")
        expect(page.locator("#messages .body").last).to_have_text(f"after {code}")
    expect(page.locator("#messages .body")).to_have_text([f"after {code}" for code in CODES])
    expect(page.locator("#connection")).to_be_hidden()


def test_a_page_whose_first_connection_never_opens_says_so_and_catches_up_later(
    alice: Person, bob: Person, no_websockets: ProxyThread, windows: Windows
) -> None:
    page = windows.open(LOST_SERVER, storage_state=windows.open_as(bob).context.storage_state())
    page.clock.install()
    page.goto(f"{no_websockets.url}/rooms/1")
    expect(page.locator("#connection")).to_be_hidden()
    page.clock.fast_forward(41_000)
    expect(page.locator("#connection")).to_be_visible()
    bob.join(alice.create_room("Kitchen"))
    # A server tells a new connection what has happened in the last ten seconds.
    page.wait_for_timeout(11_000)
    no_websockets.heal()
    wait_until_live(page)
    expect(page.locator("#sidebar .rooms >> text=Kitchen")).to_be_visible()
    alice.post(1, "seen")
    expect(page.locator("#messages .body")).to_have_text(["seen"])
