"""Every request has an id and a line in the log without secrets."""

import json
import re
import socket
from collections.abc import Callable
from typing import TypedDict

import pytest

from tests.support.databases import run
from tests.support.live_client import LiveClient
from tests.support.people import PASSWORD, Person, browser, first_run, sign_up
from tests.support.server import ChatServer


class Line(TypedDict, total=False):
    """A line of the log in JSON, as far as these tests read it."""

    level: str
    logger: str
    message: str
    request_id: str
    address: str
    user_id: int
    status: int
    milliseconds: float
    bytes: int


def json_lines(server: ChatServer) -> list[Line]:
    """The log of a server that has ended: every line is an object, except the command's own output."""
    return [json.loads(line) for line in server.log.splitlines() if not line.startswith("simplechat is at")]


def requests_in(server: ChatServer) -> list[Line]:
    """The lines of requests."""
    return [line for line in json_lines(server) if line["logger"] == "chat.requests"]


@pytest.fixture
def json_server(start_server: Callable[..., ChatServer], database_url: str) -> ChatServer:
    return start_server(database_url, LOG_FORMAT="json")


def test_each_request_is_a_line_with_route_status_duration_and_member(json_server: ChatServer) -> None:
    alice = first_run(json_server)
    page = alice.get("/rooms/1?before=secret-code")
    missing = alice.client.get("/no/such/page")
    json_server.stop()
    lines = {(line["message"], line["status"]): line for line in requests_in(json_server)}
    room = lines["GET /rooms/1", 200]
    assert room["address"] == "127.0.0.1"
    assert room["user_id"] == 1
    assert room["milliseconds"] > 0
    assert room["bytes"] > 1000
    assert room["request_id"] == page.headers["x-request-id"]
    assert lines["GET /no/such/page", 404]["request_id"] == missing.headers["x-request-id"]
    assert lines["POST /first-run", 303].get("user_id") is None
    assert "secret-code" not in json_server.log


def test_the_text_format_has_a_line_for_each_request_too(alice: Person) -> None:
    answer = alice.get("/rooms/1")
    alice.server.stop()
    (line,) = [line for line in alice.server.log.splitlines() if answer.headers["x-request-id"] in line]
    assert re.search(r"Z INFO chat\.requests: GET /rooms/1 status=200 milliseconds=[\d.]+ bytes=\d+ address=127", line)


def test_a_plain_request_id_from_the_client_is_kept(alice: Person) -> None:
    assert alice.get("/rooms/1", **{"X-Request-ID": "given-0123.abc"}).headers["x-request-id"] == "given-0123.abc"
    for bad in ("", "short", "with blank 12", "x" * 65, "semi;colon;;", "-starts-so", '"quoted-word"', "ünicode-1234"):
        given = alice.client.get("/", headers={b"X-Request-ID": bad.encode("latin-1")})
        assert re.fullmatch("[0-9a-f]{16}", given.headers["x-request-id"]), bad


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/css/base.css", "/rooms/1", "/nothing", "/sign-in"])
def test_every_answer_carries_an_id(alice: Person, path: str) -> None:
    assert alice.client.get(path).headers["x-request-id"]


def test_health_checks_and_static_files_are_not_logged(json_server: ChatServer) -> None:
    with browser(json_server) as client:
        for path in ("/healthz", "/readyz", "/static/css/base.css", "/static/nothing.css"):
            client.get(path)
    json_server.stop()
    assert requests_in(json_server) == []


def test_a_websocket_is_logged_when_it_opens_and_when_it_closes(json_server: ChatServer) -> None:
    alice = first_run(json_server)

    async def look() -> None:
        async with LiveClient(alice, 1):
            pass

    run(look())
    outsider = browser(json_server)
    refused = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": "https://evil.example",
    }
    assert outsider.get("/rooms/1/live", headers=refused).status_code == 403
    json_server.stop()
    lines = json_lines(json_server)
    sockets = [line for line in lines if line["message"] == "WEBSOCKET /rooms/1/live"]
    (accepted,) = [line for line in sockets if line["status"] == 101]
    assert accepted["user_id"] == 1
    assert [line["status"] for line in sockets if line is not accepted] == [403]
    (ended,) = [line for line in lines if line["message"] == "A page's websocket has closed"]
    assert ended["request_id"] == accepted["request_id"]
    assert ended["user_id"] == 1


def test_no_secret_of_a_request_gets_into_the_log(json_server: ChatServer) -> None:
    alice = first_run(json_server)
    link = alice.submit("/rooms/1/invite", {"lifetime": "day"})
    token = re.findall(r"/join/([\w-]+)", alice.get("/rooms/1/invite").text + link.text)[0]
    with browser(json_server) as stranger:
        stranger.get(f"/join/{token}")
        stranger.get(f"/join/{token}/")
        stranger.get(f"/joyn/{token}")
        stranger.post(f"/join/{token}", headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
        stranger.post("/sign-in", data={"email": "alice.adams@example.org", "password": "a wrong pass phrase"})
    cookies = [cookie.value or "" for cookie in alice.client.cookies.jar]
    assert alice.post(1, "what only the room may read").status_code == 200
    alice.get("/search?q=something+private")
    json_server.stop()
    log = json_server.log
    assert "GET /join/{token}" in log
    for secret in (token, *cookies, PASSWORD, "a wrong pass phrase", "only the room", "something", "argon2"):
        assert secret, "a secret to look for"
        assert secret not in log


def test_a_client_cannot_forge_a_line_of_the_log(json_server: ChatServer) -> None:
    with socket.create_connection(("127.0.0.1", json_server.port)) as raw:
        raw.sendall(b"GET /a%0aINFO%0d%1b[31m%e2%80%a8 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while raw.recv(65536):
            pass
    json_server.stop()
    (line,) = requests_in(json_server)
    assert line["message"] == r"GET /a\u000aINFO\u000d\u001b[31m\u2028"


def test_worker_processes_log_like_the_main_process(start_server: Callable[..., ChatServer], database_url: str) -> None:
    server = start_server(database_url, LOG_FORMAT="json", WEB_CONCURRENCY="2")
    alice = first_run(server)
    sign_up(server, "Bob Brown")
    answer = alice.get("/rooms/1")
    server.stop()
    assert answer.headers["x-request-id"] in {line["request_id"] for line in requests_in(server)}
    levels = {line["level"] for line in json_lines(server)}
    assert levels <= {"INFO", "WARNING"}
