"""Requests that do not wait for earlier answers."""

from contextlib import suppress

from tests.support.raw import dial, everything, request
from tests.support.server import ChatServer

BEFORE = "10,000 requests queued for each connection"
CONNECTIONS = 20


def attack(server: ChatServer) -> None:
    """20 connections that send 10,000 requests each at once."""
    asked = request(server, "/sign-in") * 10_000
    for _ in range(CONNECTIONS):
        with dial(server) as connection, suppress(OSError):
            connection.sendall(asked)
            everything(connection)
