"""Clients that send any bytes, from any loopback address."""

import socket
from contextlib import suppress

from tests.support.people import Person
from tests.support.server import ChatServer

STRANGER = "127.0.0.2"  # not a trusted proxy: those have no limit for each address


def dial(server: ChatServer, address: str = STRANGER, patience: float = 30) -> socket.socket:
    """A connection from an address of this machine."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=patience, source_address=(address, 0))


def request(server: ChatServer, path: str = "/healthz", *headers: str) -> bytes:
    """A whole request."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *headers]
    return "\r\n".join([*lines, "\r\n"]).encode()


def form(server: ChatServer, path: str, length: int, *headers: str) -> bytes:
    """The header of a form of the chat's own page."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Origin: {server.url}", *headers]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "\r\n"]).encode()


def cookies(person: Person) -> str:
    """The header with a member's session."""
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())


def everything(connection: socket.socket) -> bytes:
    """Read until the server ends the connection."""
    received = bytearray()
    with suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    return bytes(received)


def has_ended(connection: socket.socket) -> bool:
    """Return whether the server has ended the connection by now."""
    connection.setblocking(False)
    try:
        while data := connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return not data
