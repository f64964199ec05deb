"""The limits of a client's connection, in size and time."""

import asyncio
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from email.utils import parsedate_to_datetime
from threading import Thread

import psutil
import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from benchmarks.measure import handshake
from chat.addresses import TrustedProxies
from chat.serving import protocol
from chat.serving.connections import Connections
from chat.serving.protocol import HEADER_SECONDS, MOST_HEADER_BYTES, MOST_HEADERS, MOST_PIPELINED, BoundedProtocol
from tests.support.people import Person
from tests.support.ports import free_port
from tests.support.raw import cookies, dial, everything, form, has_ended, request
from tests.support.server import ChatServer

ROOM_SECONDS = 15  # for a busy machine


def answer(server: ChatServer, *parts: bytes) -> bytes:
    """Send bytes; returns all that the server sends until it ends the connection."""
    with dial(server) as connection:
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        return everything(connection)


def status(received: bytes) -> int:
    return int(received.split(b" ", 2)[1]) if received else 0


def seconds_until_ended(connections: list[socket.socket], patience: float) -> float:
    """Wait until the server has ended all of them; returns how long that took."""
    started = time.monotonic()
    while not all(has_ended(connection) for connection in connections):
        assert time.monotonic() - started < patience, "it is still open"
        time.sleep(0.1)
    return time.monotonic() - started


def test_uvicorn_has_the_version_the_protocol_was_written_for() -> None:
    assert uvicorn.__version__ == "0.54.0"


def test_a_header_is_limited_however_it_is_split(server: ChatServer) -> None:
    start, end = request(server).removesuffix(b"\r\n"), b"Connection: close\r\n\r\n"
    fits = b"X: " + b"x" * (MOST_HEADER_BYTES - 200) + b"\r\n"
    assert status(answer(server, start, fits, end)) == 200
    assert status(answer(server, start + fits + end)) == 200
    for large in (
        b"X: " + b"x" * MOST_HEADER_BYTES + b"\r\n",
        b"X" * MOST_HEADER_BYTES + b": x\r\n",
        b"X: y\r\n" * (MOST_HEADERS + 1),
        b"X: " + b"y" * 60_000_000,
    ):
        assert status(answer(server, start + large + end)) == 431
        assert status(answer(server, start, large, end)) == 431
    assert status(answer(server, b"GET /" + b"x" * MOST_HEADER_BYTES, b" HTTP/1.1\r\n\r\n")) == 431
    chunked = request(server, "/healthz", "Transfer-Encoding: chunked") + b"0\r\nX: "
    assert b"431" in answer(server, chunked, b"y" * 2 * MOST_HEADER_BYTES)


def test_a_large_request_before_another_does_not_count_for_its_header(alice: Person) -> None:
    server, body = alice.server, b"body=" + b"x" * 9_000 + b"&rest=" + b"y" * 200_000
    sent = form(server, "/rooms/1/messages", len(body), cookies(alice)) + body
    received = answer(server, sent + request(server, "/healthz", "Connection: close"))
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"303", b"200"]


def test_trailers_change_nothing(alice: Person) -> None:
    """Trailers come after the header was checked, so nothing in them may be trusted."""
    server = alice.server
    chunked = request(server, "/me.css", "Transfer-Encoding: chunked", "Connection: close")
    received = answer(server, chunked + b"0\r\n" + cookies(alice).encode() + b"\r\n\r\n")
    assert status(received) == 303


def test_a_malformed_request_gets_a_short_answer_and_no_error_in_the_log(server: ChatServer) -> None:
    upgrade = ("Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        request(server, "/live", *upgrade),
        request(server, "/live\xe9", *upgrade, key),
        request(server, "/live", *upgrade, key).replace(b"GET", b"POST"),
        request(server, "/live", *upgrade, key, "Content-Length: -1"),
    ):
        assert 400 <= status(answer(server, sent)) < 500, sent
    assert status(answer(server, request(server, "/live", *upgrade, key, "X: " + "y" * 9_000))) == 431
    assert "Traceback" not in server.log
    assert "ERROR" not in server.log


def test_every_response_has_the_present_date_also_after_a_silence(alice: Person) -> None:
    server = alice.server
    page = handshake(server.port, "/live?", cookies(alice).removeprefix("Cookie: ")).encode()
    requests = ((request(server), 200), (b"GET /\xff HTTP/1.1\r\n\r\n", 400), (page, 101))
    for _ in range(2):
        for sent, expected in requests:
            before = int(time.time())
            with dial(server) as connection:
                connection.sendall(sent)
                head = connection.recv(65536)
            assert status(head) == expected
            (date,) = re.findall(rb"(?m)^date: ([^\r]+ GMT)\r$", head.partition(b"\r\n\r\n")[0])
            assert before <= parsedate_to_datetime(date.decode()).timestamp() <= time.time()
        time.sleep(2.5)  # nothing wakes the process meanwhile


def test_only_slow_and_silent_clients_are_cut_off_and_slow_clients_get_an_error(alice: Person) -> None:
    server = alice.server
    with ExitStack() as stack:
        silent, begun, dripping, no_body, idle, newlines = (stack.enter_context(dial(server)) for _ in range(6))
        begun.sendall(b"GET / HT")
        no_body.sendall(form(server, "/sign-in", 1_000, "Expect: 100-continue"))
        idle.sendall(request(server))
        assert b"200 OK" in idle.recv(65536)
        half, part, mute = (stack.enter_context(dial(server)) for _ in range(3))
        half.sendall(b"GET / HT")
        part.sendall(form(server, "/sign-in", 1_000) + b"email=")
        slow_body = stack.enter_context(dial(server))
        slow_body.sendall(form(server, "/sign-in", 100_000))
        patient = stack.enter_context(dial(server))
        body = b"body=" + b"x" * 12_000
        patient.sendall(form(server, "/rooms/1/messages", len(body), cookies(alice), "Connection: close"))

        def drip() -> None:
            """Send a byte of each request every second, and a body that is slow but not too slow."""
            for second in range(2 * int(HEADER_SECONDS)):
                with suppress(OSError):
                    patient.sendall(body[second * 610 : (second + 1) * 610])
                for connection, byte in ((dripping, b"x"), (slow_body, b"x"), (newlines, b"\n")):
                    with suppress(OSError):
                        connection.send(byte)
                time.sleep(1)

        dripping.sendall(b"GET / HTTP/1.1\r\nX: ")
        dripper = Thread(target=drip)
        dripper.start()
        waited = seconds_until_ended([silent, begun, dripping, idle, newlines, no_body, slow_body], 60)
        assert waited > 0.5 * HEADER_SECONDS
        assert status(everything(half)) == 408
        assert status(everything(part)) == 408
        assert everything(mute) == b"", "a browser would take it for the answer to its next request"
        dripper.join()
        assert status(everything_within(patient)) in (303, 422), "a body that takes twenty seconds is no attack"
    assert "Traceback" not in server.log


def everything_within(connection: socket.socket) -> bytes:
    connection.settimeout(30)
    return everything(connection)


def test_few_requests_are_queued_on_a_connection(server: ChatServer) -> None:
    received = answer(server, request(server) * (MOST_PIPELINED - 1) + request(server, "/healthz", "Connection: close"))
    assert received.count(b"200 OK") == MOST_PIPELINED
    assert answer(server, request(server, "/sign-in") * 10_000).count(b"200 OK") < MOST_PIPELINED


def test_a_client_that_reads_no_answer_is_dropped(alice: Person) -> None:
    server = alice.server
    for number in range(30):
        alice.post(1, f"{number} " + "words " * 1_500)
    with ExitStack() as stack:
        deaf = []
        for ending in ("keep-alive", "close"):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(request(server, "/rooms/1", cookies(alice), f"Connection: {ending}") * 4)
            deaf.append(connection)
        ports = {connection.getsockname()[1] for connection in deaf}
        deadline = time.monotonic() + protocol.GRACE_SECONDS * 3 + ROOM_SECONDS
        while ports & clients_of(server):
            assert time.monotonic() < deadline, "it is still open"
            time.sleep(0.3)


def test_a_client_that_leaves_with_requests_in_the_queue_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["connections"] = Connections(100, 100, TrustedProxies(""))
            for moment in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{moment}.complete"})
            return
        told.append("begun")
        await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(20):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await asyncio.sleep(0.01)
        told.append("ended")

    async def ask() -> None:
        server = uvicorn.Server(uvicorn.Config(app, port=free_port(), http=BoundedProtocol, log_config=None))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        _, writer = await asyncio.open_connection("127.0.0.1", server.config.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        while not told:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        server.should_exit = True
        await serving

    uvloop.run(ask())
    assert "Exception in ASGI application" not in caplog.text
    assert told == ["begun", "ended"]


def clients_of(server: ChatServer) -> set[int]:
    """The ports of a server's clients, including clients with unread answers."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    return {connection.raddr.port for connection in process.net_connections("tcp") if connection.raddr}


@pytest.mark.parametrize("processes", ["1", "2"])
def test_each_process_raises_its_limit_of_open_files(
    processes: str, start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, WEB_CONCURRENCY=processes)
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    for each in (process, *process.children(recursive=True)):
        soft, hard = each.rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard
