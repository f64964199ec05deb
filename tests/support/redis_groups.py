"""Several Valkeys that a test may kill: a master with its Sentinel, and a cluster."""

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import redis
from redis.crc import key_slot

from tests.support.ports import free_port
from tests.support.redis_server import ValkeyServer, valkey_binary

SERVICE = "mymaster"
FAILOVER_SECONDS = 5.0
SENTINEL = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {service} 127.0.0.1 {master} 1
sentinel down-after-milliseconds {service} 500
sentinel failover-timeout {service} 2000
"""


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that the servers do by themselves."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Sentinel(ValkeyServer):
    """A Sentinel for a master on a port."""

    def __init__(self, master: int) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="simplechat-sentinel-"))
        self.master = master

    def start(self) -> None:
        super().start()
        # One that has stood still for two seconds, as a busy machine may let it, would do nothing for the next thirty.
        self.command("SENTINEL", "DEBUG", "TILT-TRIGGER", "60000")

    def _command(self) -> list[str]:
        # Sentinel writes its findings into this file; each start begins anew.
        file = self.folder / "sentinel.conf"
        file.write_text(SENTINEL.format(port=self.port, folder=self.folder, service=SERVICE, master=self.master))
        return [str(valkey_binary()), str(file), "--sentinel"]


class Group:
    """Servers that a test starts and ends together."""

    members: Sequence[ValkeyServer]

    def processes(self) -> list[psutil.Process]:
        """The processes that run, for meters."""
        return [process for member in self.members for process in member.processes()]

    def start(self) -> None:
        """Start them, or start them again on the same ports; nothing for those that run."""
        for member in self.members:
            member.start()

    def stop(self) -> None:
        """End them in an orderly way."""
        for member in self.members:
            member.stop()

    def kill(self) -> None:
        """End them as a crash would."""
        for member in self.members:
            member.kill()

    def pause(self) -> None:
        """Stop their processes without closing their connections."""
        for member in self.members:
            member.pause()

    def resume(self) -> None:
        """Let paused processes go on."""
        for member in self.members:
            member.resume()


class SentinelGroup(Group):
    """A master and its Sentinel, and possibly a replica that both know."""

    def __init__(self, *, has_replica: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="simplechat-valkey-"))
        self.master = self.server()
        self.sentinel = Sentinel(self.master.port)
        self.port = self.master.port
        self.replica = self.server("--replicaof", "127.0.0.1", str(self.port)) if has_replica else None
        replicas = [self.replica] if self.replica else []
        self.members = [self.master, *replicas, self.sentinel]

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{SERVICE}"

    def server(self, *options: str) -> ValkeyServer:
        """Return one more server, which is yet to be started; replicas write a file."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return ValkeyServer("--dir", str(folder), *options)

    def start(self) -> None:
        if self.replica is None or self.replica.processes():
            super().start()
            return
        replica = self.replica
        self.master.start()
        replica.start()
        # Sentinel looks for replicas at its start, and then every ten seconds.
        until(lambda: "'master_link_status': 'up'" in repr(replica.command("INFO", "REPLICATION")))
        self.sentinel.start()
        until(lambda: str(replica.port) in repr(self.sentinel.command("SENTINEL", "REPLICAS", SERVICE)))

    @property
    def ports(self) -> list[int]:
        """The ports that its clients connect to after they asked the Sentinel."""
        return [self.port]

    def lead_through(self, ports: Sequence[int]) -> str:
        """Let the Sentinel name another port as the master's, such as that of a proxy; returns the address."""
        self.sentinel.resume()
        self.sentinel.kill()
        self.sentinel.master = ports[0]
        self.sentinel.start()
        return self.url

    def fail_over(self) -> None:
        """Let the Sentinel make the other server the master, and give it time to do so."""
        before, patience = self._named(), time.monotonic() + FAILOVER_SECONDS
        with suppress(redis.ResponseError):  # it does not know the replica yet, or is in the middle of it
            self.sentinel.command("SENTINEL", "FAILOVER", SERVICE)
            while self._named() == before and time.monotonic() < patience:
                time.sleep(0.02)

    def faults(self) -> list[Callable[[], None]]:
        """The faults that only this kind of broker has."""
        return [self.master.cut, self.master.cut_publishers, self.fail_over]

    def _named(self) -> list[str]:
        return self.sentinel.texts("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)

    def stop(self) -> None:
        super().stop()
        for folder in (self.sentinel.folder, self.folder):
            shutil.rmtree(folder, ignore_errors=True)


class Node(ValkeyServer):
    """A node of a cluster. It names a port of its own choice to clients."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__("--cluster-enabled", "yes", "--dir", str(folder), "--cluster-node-timeout", "1000")
        self.named = self.port
        # Without it, a node takes the port 10,000 above its own, which an outgoing connection may have.
        self.bus_port = free_port()

    def _command(self) -> list[str]:
        ports = ["--cluster-port", str(self.bus_port), "--cluster-announce-port", str(self.named)]
        return [*super()._command(), *ports]


class ClusterGroup(Group):
    """A cluster of masters that share the slots. Replicas need at least three masters, of which most must agree."""

    members: Sequence[Node]

    def __init__(self, masters: int = 2, replicas: int = 0) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="simplechat-cluster-"))
        self.members = [Node(self._folder / str(number)) for number in range(masters + replicas)]
        self._masters = masters
        self._has_met = False

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{member.named}" for member in self.members)

    @property
    def ports(self) -> list[int]:
        """The ports that its clients connect to."""
        return [member.port for member in self.members]

    def lead_through(self, ports: Sequence[int]) -> str:
        """Let the nodes name other ports, such as those of proxies; returns the address."""
        for member, port in zip(self.members, ports, strict=True):
            member.named = port
            member.command("CONFIG", "SET", "cluster-announce-port", str(port))
        until(lambda: all(self._names(member, ports) for member in self.members))
        return self.url

    def move_slot(self, channel: str, owner: Node) -> None:
        """Give a channel's slot to a node."""
        (name,) = owner.texts("CLUSTER", "MYID")
        for member in self.members:
            member.command("CLUSTER", "SETSLOT", str(key_slot(channel.encode())), "NODE", name)

    def move_a_room(self) -> None:
        """Give the slot of a room that has readers to the other node."""
        found = [
            (channel, other)
            for member, other in zip(self.members, self.members[::-1], strict=True)
            for channel in member.texts("PUBSUB", "SHARDCHANNELS")
        ]
        if found:
            self.move_slot(*random.choice(found))

    def faults(self) -> list[Callable[[], None]]:
        """The faults that only this kind of broker has."""
        return [self.cut, self.move_a_room, self.lose_a_node]

    def lose_a_node(self) -> None:
        """Let a node crash and come back."""
        member = random.choice(self.members)
        member.kill()
        time.sleep(0.5)
        self.start()

    def start(self) -> None:
        super().start()
        if not self._has_met:
            self._has_met = True
            ends = [16384 * number // self._masters for number in range(self._masters + 1)]
            for member, begin, end in zip(self.members, ends, ends[1:], strict=False):
                member.command("CLUSTER", "ADDSLOTSRANGE", str(begin), str(end - 1))
            first = self.members[0]
            for member in self.members[1:]:
                member.command("CLUSTER", "MEET", "127.0.0.1", str(first.port), str(first.bus_port))
        until(lambda: all(self._is_whole(member) for member in self.members))

    def replicate(self, master: Node, replica: Node) -> None:
        """Let a node without slots follow a master, and wait until it could take over."""
        (name,) = master.texts("CLUSTER", "MYID")
        until(lambda: name in repr(replica.command("CLUSTER", "NODES")))
        replica.command("CLUSTER", "REPLICATE", name)
        until(lambda: "'master_link_status': 'up'" in repr(replica.command("INFO", "REPLICATION")))
        until(lambda: all(str(replica.port) in repr(member.command("CLUSTER", "SLOTS")) for member in self.members))

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def cut(self) -> None:
        """Close every subscriber's connection from the servers' side."""
        for member in self.members:
            member.cut()

    @staticmethod
    def _names(member: ValkeyServer, ports: Sequence[int]) -> bool:
        found = repr(member.command("CLUSTER", "SLOTS"))
        return all(str(port) in found for port in ports)

    @staticmethod
    def _is_whole(member: ValkeyServer) -> bool:
        found = str(member.command("CLUSTER", "INFO"))
        return "cluster_state:ok" in found and "cluster_slots_ok:16384" in found
