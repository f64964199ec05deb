"""Reads the replies of Redis to a subscriber from the connection itself.

redis-py wakes a task for each message, and sets a timer for it. Here the parser that redis-py uses, hiredis, gets the
bytes as they come, and the silence of a connection is watched by a timer every few seconds.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn

import anyio
import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse, ResponseError

SILENCE_SECONDS = 5.0  # includes at least one PING


class Replies(asyncio.Protocol):
    """Gives all replies to a connection from now on to `take`, as bytes and lists (RESP2).

    Those so far must have been read. What `take` raises ends the connection.
    """

    def __init__(self, connection: AbstractConnection, take: Callable[[object], None]) -> None:
        self._take = take
        self._parser = hiredis.Reader(protocolError=InvalidResponse, replyError=ResponseError)
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._has_ended = asyncio.Event()
        self._error: Exception | None = None
        assert connection._writer is not None
        connection._writer.transport.set_protocol(self)

    async def until_lost(self) -> NoReturn:
        """Wait until the connection is lost, and raise the reason; `TimeoutError` after a silence of five seconds."""
        while (patience := self._heard_at + SILENCE_SECONDS - self._loop.time()) > 0:
            with anyio.move_on_after(patience):
                await self._has_ended.wait()
            if self._error is not None:
                raise self._error
        raise TimeoutError(f"no answer in {SILENCE_SECONDS:g} s")

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not False:
                if isinstance(reply, Exception):
                    raise reply
                self._take(reply)
        except Exception as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("Connection closed by server."))

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._has_ended.set()
