"""The chat on several machines. Each is a network namespace with a cable to a bridge, where the servers listen."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.chat import SEED
from benchmarks.measure import Readers, handshake
from benchmarks.programs import NotHere, found
from chat.database import embedded
from chat.database.migrate import migrate
from tests.support.databases import execute, query, run
from tests.support.people import first_run
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer, redis_binary
from tests.support.server import ROOT, SECRET_KEY, SETUP_CODE, ChatServer, until_ready

BRIDGE, NETWORK = "chatsim", "10.213.77"
HOST = f"{NETWORK}.1"
PORT = 8000


class BridgeRedis(RedisServer):
    """A Redis that the namespaces reach over the bridge."""

    def _command(self) -> list[str]:
        listen = ["--bind", HOST, "127.0.0.1", "--protected-mode", "no"]
        return [redis_binary(), "--port", str(self.port), "--save", "", "--appendonly", "no", *listen]


class Nodes:
    """Nodes of the chat, each in a namespace, with PostgreSQL and Redis behind a bridge, and people in room 1."""

    def __init__(self, count: int, people: int) -> None:
        self._stack = ExitStack()
        try:
            self._connect(count)
            self._start(count, people)
        except BaseException:
            self.close()
            raise

    def _connect(self, count: int) -> None:
        if os.geteuid() != 0:
            raise NotHere("network namespaces need root")
        ip("link", "add", BRIDGE, "type", "bridge")
        self._stack.callback(ip, "link", "del", BRIDGE)
        ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        self.names = [f"{BRIDGE}{number}" for number in range(count)]
        for number, name in enumerate(self.names):
            ip("netns", "add", name)
            self._stack.callback(ip, "netns", "del", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", name, "master", BRIDGE, "up")
            ip("-n", name, "addr", "add", f"{NETWORK}.{number + 11}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", name, "link", "set", device, "up")

    def _start(self, count: int, people: int) -> None:
        self.postgres, database_url = self._start_postgres()
        redis = BridgeRedis()
        redis.start()
        self._stack.callback(redis.stop)
        server = redis.command("INFO", "server")
        assert isinstance(server, dict)
        self.redis = psutil.Process(int(server["process_id"]))
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("PUBLIC_URL", "WEB_CONCURRENCY")},
            "DATABASE_URL": database_url,
            "REDIS_URL": f"redis://{HOST}:{redis.port}/0",
            "HOST": "0.0.0.0",
            "PORT": str(PORT),
            "ALLOWED_HOSTS": "*",
            "RATE_LIMITS": "1000",
            "SECRET_KEY": SECRET_KEY,
            "SETUP_CODE": SETUP_CODE,
            "PAGES_PER_PERSON": "100000",
        }
        self.servers: list[ChatServer] = []
        self.meters: list[psutil.Process] = []
        for number, name in enumerate(self.names):
            command = ["ip", "netns", "exec", name, sys.executable, "-m", "chat", "serve"]
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self._stack.callback(process.wait, 40)
            self._stack.callback(process.terminate)
            server = ChatServer(database_url)
            self._stack.callback(server.remove)
            server.url, server.port = f"http://{NETWORK}.{number + 11}:{PORT}", PORT
            until_ready(server.url)
            self.servers.append(server)
            self.meters.append(psutil.Process(process.pid))
        first_run(self.servers[0])
        run(execute(database_url, SEED.format(people=people, rooms=1)))
        run(execute(database_url, "ANALYZE"))
        self.sessions = [row["id"] for row in query(database_url, "SELECT id FROM sessions ORDER BY id")]
        (self._place,) = query(database_url, "SELECT revision, epoch FROM rooms, installation WHERE rooms.id = 1")

    def _start_postgres(self) -> tuple[psutil.Process, str]:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="simplechat-nodes-")))
        folder.chmod(0o755)
        port = free_port()
        options = {"max_connections": "300", "listen_addresses": HOST, "port": str(port)}
        server = embedded.Server(folder / "data", options)
        self._stack.callback(server.remove_socket)
        self._stack.callback(server.stop)
        local = f"{server.start()}&port={port}"
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {NETWORK}.0/24 trust\n")
        migrate(local)
        run(execute(local, "SELECT pg_reload_conf()"))
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        return psutil.Process(pid), f"postgresql://postgres@{HOST}:{port}/{embedded.DATABASE}"

    def readers(self, node: int, count: int, cookies: list[str], after: int) -> Readers:
        """Open room 1 for `count` members, from the node's own namespace."""
        path = f"/rooms/1/live?after={after}&epoch={self._place['epoch']}"
        handshakes = [handshake(PORT, path, cookie) for cookie in cookies[:count]]
        return Readers(PORT, count, handshakes, inside=["ip", "netns", "exec", self.names[node]])

    def close(self) -> None:
        self._stack.close()
        time.sleep(0.5)


def ip(*words: str) -> None:
    """Change the network; raises `NotHere` where that is not allowed."""
    done = subprocess.run([found("ip"), *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotHere(f"ip {' '.join(words)} is refused here: {done.stderr.strip()}")
