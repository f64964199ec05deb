"""The cost of an attack: the server's longest silence for others, and its memory."""

import json
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType

from tests.support.server import ROOT, ChatServer

MOST_SILENT_SECONDS = 0.2
MOST_GROWTH_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Measured:
    """Seconds of the longest silence of `/healthz`, and the resident bytes of the server's processes."""

    silence: float
    before: int
    peak: int
    after: int

    @property
    def growth(self) -> int:
        """The growth of the server's memory at its peak, in bytes."""
        return self.peak - self.before


class Watch:
    """Watches a running server from another process: `with Watch(server) as watch: …`, then `watch.measured`."""

    def __init__(self, server: ChatServer) -> None:
        self._server = server
        self.measured = Measured(0, 0, 0, 0)

    def __enter__(self) -> "Watch":
        assert self._server.process is not None
        command = ["-m", "tests.attacks.watcher", str(self._server.port), str(self._server.process.pid)]
        self._watcher = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._watcher.stdout is not None
        assert self._watcher.stdout.readline() == "watching\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seen, _ = self._watcher.communicate()
        if kind is None:
            self.measured = Measured(**json.loads(seen))
