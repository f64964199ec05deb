"""Leaving in peace: what happens between a request to end and the server's own shutdown."""

import asyncio
import random
import signal
from collections.abc import Callable, Iterable

import anyio
import uvicorn

from chat.live.wire import Reader

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Sockets are closed over this time, or at this many a second when they are few: pages that come back all at once would
# be a stampede on the other processes.
LEAVE_SECONDS = 4.0
LEAVE_RATE = 200


class Departure:
    """Sends the readers away before uvicorn closes its listener. `run` must be running.

    While it lasts, pages and forms are still served, new sockets are refused, and `/readyz` says 503, so that a load
    balancer has time to look elsewhere.
    """

    def __init__(self, readers: Callable[[], Iterable[Reader]]) -> None:
        self._readers = readers
        self.under_way = False

    async def run(self) -> None:
        """Wait for a signal to end, send everybody away, and hand the signal on to uvicorn; a second one at once."""
        server = _server()
        if server is None:
            return
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            number = await anext(signals)
            self.under_way = True
            with anyio.move_on_after(self._send_everybody_away()):
                await anext(signals)
        for each in SIGNALS:
            signal.signal(each, server.handle_exit)
        server.handle_exit(number, None)

    def _send_everybody_away(self) -> float:
        """Close every socket within some seconds, at random; returns how many."""
        readers = list(self._readers())
        seconds = min(LEAVE_SECONDS, len(readers) / LEAVE_RATE)
        for reader in readers:
            asyncio.get_running_loop().call_later(random.uniform(0, seconds), reader.leave)  # noqa: S311  no secret
        return seconds


def _server() -> uvicorn.Server | None:
    """The uvicorn that handles this process's signals. Another server knows better itself."""
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return owner if isinstance(owner, uvicorn.Server) else None
