"""Connections that never finish a request, on a server that may open few files."""

import time
from contextlib import ExitStack, suppress

from tests.support.raw import dial, form
from tests.support.server import ChatServer

BEFORE = "everybody disconnected"
FILES = 1024
SECONDS = 5
PAUSE_SECONDS = 0.005  # a flood of requests is another attack


def attack(server: ChatServer) -> None:
    """1,100 half requests from one address and 1,100 from 200 others, with 1,024 files at most."""
    addresses = ["127.0.0.2"] * 1_100 + [f"127.0.1.{number % 200 + 1}" for number in range(1_100)]
    with ExitStack() as stack:
        for number, address in enumerate(addresses):
            with suppress(OSError):
                connection = stack.enter_context(dial(server, address))
                half = b"GET / HTTP/1.1\r\nHost: " if number % 2 else form(server, "/sign-in", 1_000) + b"email="
                connection.sendall(half)
            time.sleep(PAUSE_SECONDS)
        time.sleep(SECONDS)
