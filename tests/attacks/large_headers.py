"""Headers without an end."""

import socket
from contextlib import ExitStack, suppress

from tests.support.raw import dial
from tests.support.server import ChatServer

BEFORE = "60 MB accepted and kept"
BYTES = 60 * 2**20
BLOCK = 64 * 1024


def attack(server: ChatServer) -> None:
    """Headers of 60 MB, as a line, as many lines and as trailers, and 400 connections with 30 kB each."""
    for start, block in (
        (b"GET / HTTP/1.1\r\nX: ", b"x" * BLOCK),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * (BLOCK // 6)),
        (b"GET /", b"x" * BLOCK),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * BLOCK),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * BLOCK),
    ):
        with dial(server) as connection, suppress(OSError):
            connection.sendall(start)
            for _ in range(BYTES // BLOCK):
                connection.sendall(block)
    with ExitStack() as stack:
        for _ in range(400):
            connection = stack.enter_context(dial(server))
            send_some(connection, b"GET / HTTP/1.1\r\nX: " + b"x" * 30_000)


def send_some(connection: socket.socket, data: bytes) -> None:
    """Send to a server that may end the connection."""
    with suppress(OSError):
        connection.sendall(data)
