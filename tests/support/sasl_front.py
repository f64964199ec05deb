"""Kafka's way of signing in, in front of a server that has none: SASL PLAIN and SCRAM, with or without TLS.

Tansu's own needs a storage engine that the wheel comes without. This follows Kafka's protocol guide, RFC 4616 and 5802.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import struct
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from contextlib import suppress

from tests.support.tls import Certificate, TlsServer, pump

HANDSHAKE, AUTHENTICATE = 17, 36  # kinds of requests
REFUSED = 58  # an error code
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
ITERATIONS = 4096


class Refused(Exception):
    """The user or the password is wrong."""


class Exchange:
    """The server's side of signing in."""

    def __init__(self, mechanism: str, user: str, password: str) -> None:
        self._mechanism, self._user, self._password = mechanism, user, password
        self._said = ""  # of SCRAM's first messages
        self._salted = b""
        self.is_done = False

    def answer(self, said: bytes) -> bytes:
        """Answer the client; raises `Refused`."""
        if self._mechanism == "PLAIN":
            if said.split(b"\0")[1:] != [self._user.encode(), self._password.encode()]:
                raise Refused
            self.is_done = True
            return b""
        return self._challenge(said.decode()) if not self._said else self._verdict(said.decode())

    def _challenge(self, said: str) -> bytes:
        first = said.removeprefix("n,,")
        nonce = first.rpartition("r=")[2] + base64.b64encode(os.urandom(9)).decode()
        salt = os.urandom(16)
        self._salted = hashlib.pbkdf2_hmac(HASHES[self._mechanism], self._password.encode(), salt, ITERATIONS)
        challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={ITERATIONS}"
        self._said = f"{first},{challenge},c=biws,r={nonce}"
        return challenge.encode()

    def _verdict(self, said: str) -> bytes:
        key = self._sign(self._salted, "Client Key")
        signature = self._sign(hashlib.new(HASHES[self._mechanism], key).digest(), self._said)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        user = self._user.replace("=", "=3D").replace(",", "=2C")
        if not self._said.startswith(f"n={user},") or said.rpartition(",p=")[2] != base64.b64encode(proof).decode():
            raise Refused
        self.is_done = True
        return b"v=" + base64.b64encode(self._sign(self._sign(self._salted, "Server Key"), self._said))

    def _sign(self, key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), HASHES[self._mechanism]).digest()


class SaslFront(TlsServer):
    """Lets clients through to a Kafka if they know the user and the password."""

    def __init__(self, target: int, user: str, password: str, certificate: Certificate | None = None) -> None:
        self._target, self._user, self._password = target, user, password
        self.mechanisms: set[str] = set()  # with which clients signed in
        super().__init__(certificate)

    async def serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        with suppress(OSError, IncompleteReadError, Refused):
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await self._sign_in(client, to_client, server, to_server)
                await asyncio.gather(pump(client, to_server), pump(server, to_client), return_exceptions=True)
            finally:
                to_server.close()
        to_client.close()

    async def _sign_in(
        self, client: StreamReader, to_client: StreamWriter, server: StreamReader, to_server: StreamWriter
    ) -> None:
        """Answer until the client is signed in. The server tells which versions of requests there are."""
        mechanism = ""
        exchange = Exchange(mechanism, self._user, self._password)
        while not exchange.is_done:
            request = await _read(client)
            kind, version, number, length = struct.unpack(">hhih", request[:10])
            body = request[10 + max(length, 0) :]
            if kind == HANDSHAKE:
                mechanism = body[2:].decode()
                exchange = Exchange(mechanism, self._user, self._password)
                _write(to_client, struct.pack(">ihi", number, 0, 3) + b"".join(map(_text, ("PLAIN", *HASHES))))
            elif kind == AUTHENTICATE:
                lifetime = struct.pack(">q", 0) if version else b""
                try:
                    answer = exchange.answer(body[4:])
                except Refused:
                    reason = _text("Authentication failed: Invalid username or password")
                    _write(to_client, struct.pack(">ih", number, REFUSED) + reason + struct.pack(">i", 0) + lifetime)
                    await to_client.drain()
                    raise
                _write(to_client, struct.pack(">ihhi", number, 0, -1, len(answer)) + answer + lifetime)
            else:
                _write(to_server, request)
                _write(to_client, await _read(server))
        self.mechanisms.add(mechanism)


async def _read(stream: StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await stream.readexactly(4))
    return await stream.readexactly(size)


def _write(stream: StreamWriter, message: bytes) -> None:
    stream.write(struct.pack(">i", len(message)) + message)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()
