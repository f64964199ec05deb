"""Graceful shutdown: closing websockets before the server itself shuts down."""

import asyncio
import random
import signal
from collections.abc import Callable, Iterable
from functools import partial

import anyio
import uvicorn

from chat.live.reader import Reader

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Sockets are closed over this time, or at this many a second when they are few. Pages that reconnect all at once would
# overload the other processes.
LEAVE_SECONDS = 4.0
LEAVE_RATE = 200


class Departure:
    """Closes the readers' sockets before uvicorn closes its listener. `run` must be running.

    Meanwhile pages and forms are still served, new sockets are refused, and `/readyz` answers 503, so that a load
    balancer has time to send visitors to another server.
    """

    def __init__(self, readers: Callable[[], Iterable[Reader]]) -> None:
        self._readers = readers
        self._look = asyncio.Event()
        self.under_way = False

    async def run(self) -> None:
        """Wait for a signal, close all sockets, then pass the signal to uvicorn. A second signal skips the closing."""
        server = _server()
        if server is None:
            return
        # uvicorn calls it once the application has started.
        server.main_loop = partial(self._keep_serving, server)  # type: ignore[method-assign]  # it has no setting
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            number = await anext(signals)
            self.under_way = True
            with anyio.move_on_after(self._close_all_sockets()):
                await anext(signals)
        for each in SIGNALS:
            signal.signal(each, server.handle_exit)
        server.handle_exit(number, None)
        self._look.set()

    async def _keep_serving(self, server: uvicorn.Server) -> None:
        """Wait until uvicorn is to exit.

        Its own loop looks for that ten times a second, and makes the date of responses (now in `serving/headers.py`).
        """
        while not await server.on_tick(counter=1):
            await self._look.wait()
            self._look.clear()

    def _close_all_sockets(self) -> float:
        """Close every socket at a random moment, and return the seconds until all are closed."""
        readers = list(self._readers())
        seconds = min(LEAVE_SECONDS, len(readers) / LEAVE_RATE)
        for reader in readers:
            asyncio.get_running_loop().call_later(random.uniform(0, seconds), reader.leave)  # noqa: S311  no secret
        return seconds


def _server() -> uvicorn.Server | None:
    """Return the uvicorn that handles this process's signals; None under another server."""
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return owner if isinstance(owner, uvicorn.Server) else None
