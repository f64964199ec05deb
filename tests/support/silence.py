"""Measures how long a server keeps others waiting while it is busy."""

import threading
import time
from types import TracebackType
from typing import Self

import httpx
import psutil

from tests.support.server import ChatServer


class Silence:
    """Requests a server's health again and again, and notes the longest wait.

    Only the server's own CPU time meanwhile counts, because the machine may stand still or run other programs. `client`
    is a member's browser that opens a page now and then.
    """

    def __init__(self, server: ChatServer, client: httpx.Client, path: str) -> None:
        assert server.process is not None
        self.longest = 0.0
        self.answers = 0
        self._server = server
        self._process = psutil.Process(server.process.pid)
        self._client = client
        self._path = path
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._done.is_set():
            for _ in range(5):
                began, used = time.monotonic(), self._cpu()
                assert self._client.get("/healthz").status_code == 200
                self.longest = max(self.longest, min(time.monotonic() - began, self._cpu() - used))
                self.answers += 1
                time.sleep(0.01)
            # A page queries the database several times, and other requests run in between, so its time says nothing.
            assert self._client.get(self._path).status_code == 200

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
