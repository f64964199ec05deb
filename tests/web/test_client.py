"""The client's address and scheme, behind a real server."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from websockets.sync.client import connect

from chat.addresses import TrustedProxies
from chat.state import Request, WebSocket
from chat.web.middleware.client import ClientMiddleware, address_of, is_at_this_machine, was_forwarded
from tests.support.ports import free_port
from tests.test_start import settings_error


def seen(connection: Request | WebSocket) -> dict[str, object]:
    return {
        "address": address_of(connection),
        "peer": connection.state.peer,
        "scheme": connection.url.scheme,
        "here": is_at_this_machine(connection),
        "forwarded": was_forwarded(connection),
    }


async def tell(request: Request) -> JSONResponse:
    return JSONResponse(seen(request))


async def tell_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json(seen(websocket))
    await websocket.close()


@contextmanager
def serving(proxies: str) -> Iterator[str]:
    """The middleware on a real server; yields its host and port."""
    app = Starlette(
        routes=[Route("/", tell), WebSocketRoute("/socket", tell_socket)],
        middleware=[Middleware(ClientMiddleware, proxies=TrustedProxies(proxies))],
    )
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="error", proxy_headers=False, ws="websockets-sansio")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def ask(address: str, *headers: tuple[str, str], local: str | None = None) -> dict[str, object]:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=local)) as client:
        answer: dict[str, object] = client.get(f"http://{address}/", headers=list(headers)).json()
        return answer


SPOOF = ("X-Forwarded-For", "1.1.1.1")
HTTPS = ("X-Forwarded-Proto", "https")


def test_a_client_without_a_proxy_cannot_forge_its_address() -> None:
    with serving("10.0.0.1") as address:
        answer = ask(address, SPOOF, HTTPS, ("X-Real-IP", "1.1.1.1"), ("Forwarded", "for=1.1.1.1;proto=https"))
    assert answer == {"address": "127.0.0.1", "peer": "127.0.0.1", "scheme": "http", "here": False, "forwarded": True}


def test_only_a_trusted_proxys_header_sets_the_clients_address() -> None:
    with serving("127.0.0.2") as address:
        behind = ask(address, SPOOF, ("X-Forwarded-For", "203.0.113.7"), HTTPS, local="127.0.0.2")
        beside = ask(address, SPOOF, HTTPS, local="127.0.0.3")
    assert (behind["address"], behind["peer"], behind["scheme"]) == ("203.0.113.7", "127.0.0.2", "https")
    assert (beside["address"], beside["peer"], beside["scheme"]) == ("127.0.0.3", "127.0.0.3", "http")


@pytest.mark.parametrize(
    ("schemes", "scheme"),
    [
        (["https"], "https"),
        (["HTTPS"], "https"),
        (["http, https"], "https"),
        (["https, http"], "http"),
        (["https", "http"], "http"),
        (["wss"], "https"),
        (["javascript"], "http"),
        ([""], "http"),
    ],
)
def test_the_nearest_proxy_decides_the_scheme(schemes: list[str], scheme: str) -> None:
    with serving("*") as address:
        assert ask(address, *(("X-Forwarded-Proto", value) for value in schemes))["scheme"] == scheme


def test_a_websocket_has_the_forwarded_address_and_scheme() -> None:
    headers = {"X-Forwarded-For": "1.1.1.1, 203.0.113.7", "X-Forwarded-Proto": "https"}
    with serving("*") as address, connect(f"ws://{address}/socket", additional_headers=headers) as socket:
        answer = str(socket.recv(timeout=20))
    assert '"address":"203.0.113.7"' in answer
    assert '"scheme":"wss"' in answer


def test_a_forwarded_visitor_does_not_count_as_local() -> None:
    with serving("127.0.0.1,::1") as address:
        assert ask(address)["here"] is True
        for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via", "Forwarded", "X-Real-IP"):
            assert ask(address, (header, "127.0.0.1"))["here"] is False


def test_an_invalid_proxy_setting_ends_the_start_with_a_line() -> None:
    assert "FORWARDED_ALLOW_IPS must be addresses or networks" in settings_error(FORWARDED_ALLOW_IPS="my-proxy")
