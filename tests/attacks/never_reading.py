"""Clients that request much and read nothing."""

import socket
import time
from contextlib import ExitStack, suppress

from tests.support.people import Person, first_run
from tests.support.raw import STRANGER, cookies, dial, request
from tests.support.server import ChatServer

BEFORE = "kept for ever"
CONNECTIONS, SECONDS = 300, 15
PAUSE_SECONDS = 0.05  # a flood of requests is another attack


_alice: list[Person] = []


def prepare(server: ChatServer) -> None:
    """Set up a chat whose room has a large page."""
    _alice[:] = [first_run(server)]
    for number in range(20):
        _alice[0].post(1, f"{number} " + "words " * 1_500)
    _alice[0].get("/rooms/1")


def attack(server: ChatServer) -> None:
    """300 connections that ask for four pages each and read none."""
    alice = _alice[0]
    with ExitStack() as stack:
        for number in range(CONNECTIONS):
            with suppress(OSError):
                connection = stack.enter_context(_deaf(server))
                path, *shown = ("/rooms/1", cookies(alice)) if number % 2 else ("/static/js/live.js",)
                connection.sendall(request(server, path, *shown) * 4)
            time.sleep(PAUSE_SECONDS)
        time.sleep(SECONDS)


def _deaf(server: ChatServer) -> socket.socket:
    connection = dial(server, STRANGER)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return connection
