"""Headers that take very long to read."""

from contextlib import suppress

import httpx

from tests.support.server import ChatServer

BEFORE = "2.5 s of silence a request"
LENGTH = 30_000
HEADERS = {
    "Cookie": [f'zone="{piece * (LENGTH // len(piece))}"' for piece in ("\\", '\\"', "\\1", ";", "=", "a=b;")],
    "User-Agent": ["Version/x " * (LENGTH // 10), "Version/" * (LENGTH // 8)],
    "HX-Current-URL": ["http://" + "[" * LENGTH, "http://a@" * (LENGTH // 9)],
    "Accept-Encoding": ["gzip," * (LENGTH // 5)],
    "If-None-Match": ['W/"' * (LENGTH // 3)],
    "Range": ["bytes=" + "0-1," * (LENGTH // 4)],
    "Origin": ["http://" + "a." * (LENGTH // 2)],
}


def attack(server: ChatServer) -> None:
    """A visitor sends headers of 30 kB that a parser is slow to read."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for name, values in HEADERS.items():
            for value in values:
                for path in ("/sign-in", "/healthz", "/static/vendor/htmx.min.js"):
                    # The server refuses some headers and closes the connection.
                    with suppress(httpx.TransportError):
                        client.get(path, headers={name: value})
