"""Several Valkeys that a test may kill: a master with its Sentinel, and a cluster."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.support.redis_server import ValkeyServer, valkey_binary

SERVICE = "mymaster"
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

    def _command(self) -> list[str]:
        # Sentinel writes its findings into this file; each start begins anew.
        file = self.folder / "sentinel.conf"
        file.write_text(SENTINEL.format(port=self.port, folder=self.folder, service=SERVICE, master=self.master))
        return [str(valkey_binary()), str(file), "--sentinel"]


class Group:
    """Servers that a test starts and ends together."""

    members: list[ValkeyServer]

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
    """A master and its Sentinel."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="simplechat-valkey-"))
        self.master = self.server()
        self.sentinel = Sentinel(self.master.port)
        self.members = [self.master, self.sentinel]
        self.port = self.master.port

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{SERVICE}"

    def server(self, *options: str) -> ValkeyServer:
        """Return one more server, which is yet to be started; replicas write a file."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        return ValkeyServer("--dir", str(folder), *options)

    def name_port(self, port: int) -> None:
        """Let the Sentinel name another port as the master's, such as that of a proxy."""
        self.sentinel.resume()
        self.sentinel.kill()
        self.sentinel.master = port
        self.sentinel.start()

    def stop(self) -> None:
        super().stop()
        for folder in (self.sentinel.folder, self.folder):
            shutil.rmtree(folder, ignore_errors=True)


class ClusterGroup(Group):
    """A cluster of two masters that share the slots."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="simplechat-cluster-"))
        self.members = [self._node(number) for number in range(2)]
        self.port = self.members[0].port
        self._has_met = False

    def _node(self, number: int) -> ValkeyServer:
        folder = self._folder / str(number)
        folder.mkdir()
        return ValkeyServer("--cluster-enabled", "yes", "--dir", str(folder), "--cluster-node-timeout", "1000")

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{member.port}" for member in self.members)

    def start(self) -> None:
        super().start()
        if not self._has_met:
            self._has_met = True
            for member, slots in zip(self.members, (("0", "8191"), ("8192", "16383")), strict=True):
                member.command("CLUSTER", "ADDSLOTSRANGE", *slots)
            self.members[0].command("CLUSTER", "MEET", "127.0.0.1", str(self.members[1].port))
        until(lambda: all(self._is_whole(member) for member in self.members))

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def cut(self) -> None:
        """Close every subscriber's connection from the servers' side."""
        for member in self.members:
            member.cut()

    @staticmethod
    def _is_whole(member: ValkeyServer) -> bool:
        found = str(member.command("CLUSTER", "INFO"))
        return "cluster_state:ok" in found and "cluster_slots_ok:16384" in found
