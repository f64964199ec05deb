"""A private RabbitMQ that a test may kill."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiormq

from chat.live.brokers.address import NAME
from tests.support.ports import free_port
from tests.support.programs import Program
from tests.support.tls import Certificate

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in PATH insists on the system's node


class RabbitServer(Program):
    """A node with a name, folders and ports of its own, in one process. With a certificate, it takes TLS, too."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        super().__init__()
        self.tls_port = free_port() if certificate else None
        self._folder = Path(tempfile.mkdtemp(prefix="simplechat-rabbitmq-"))
        self._names_port = free_port()
        self._names: subprocess.Popen[bytes] | None = None
        (self._folder / "plugins").write_text("[].")
        (self._folder / "rabbitmq.conf").write_text(
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.certfile = {certificate.file}\nssl_options.keyfile = {certificate.key}\n"
            if certificate
            else ""
        )
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),  # the node's cookie
            "ERL_EPMD_PORT": str(self._names_port),
            "RUNNING_UNDER_SYSTEMD": "yes",  # one process, without a shell around it
            "RABBITMQ_NODENAME": f"rabbit-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self._folder),
            "RABBITMQ_LOG_BASE": str(self._folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }

    @property
    def url(self) -> str:
        return f"amqp://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self._names is None:
            # The node would start one that outlives it.
            command = [str(shutil.which("epmd")), "-port", str(self._names_port), "-address", "127.0.0.1"]
            self._names = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().start()

    def stop(self) -> None:
        super().stop()
        if self._names is not None:
            self._names.kill()
            self._names.wait(10)
            self._names = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def control(self, *words: str) -> str:
        """Run rabbitmqctl for this node."""
        command = [str(PROGRAM.with_name("rabbitmqctl")), *words]
        done = subprocess.run(
            command, env=self._environment, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return done.stdout

    def delete_exchange(self) -> None:
        """Delete the chat's exchange, as an administrator may."""
        asyncio.run(self._delete_exchange())

    async def _delete_exchange(self) -> None:
        connection = await aiormq.connect(f"{self.url}?heartbeat=0")
        try:
            await (await connection.channel()).exchange_delete(NAME)
        finally:
            await connection.close()

    def delete_queues(self) -> None:
        """Delete the queues that processes of the chat read, as an administrator may."""
        for line in self.control("-q", "list_queues", "name", "consumers").splitlines():
            name, _, consumers = line.partition("\t")
            if consumers == "1":
                with suppress(subprocess.CalledProcessError):  # its process may have ended
                    self.control("delete_queue", name)

    def faults(self) -> list[Callable[[], None]]:
        return [self.delete_exchange, self.delete_queues]

    def _command(self) -> list[str]:
        return ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in self._environment.items()), str(PROGRAM)]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                connection.settimeout(10)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False
