"""A private PgBouncer in front of a test's database."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.ports import free_port

CONFIGURATION = """
[databases]
* = host={sockets} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
server_round_robin = {round_robin}
logfile = {folder}/log
pidfile = {folder}/pid
"""


def find_pgbouncer() -> str | None:
    """The program, None when it is not installed."""
    return shutil.which("pgbouncer", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")


class PgBouncer:
    """Shares a few server connections among all clients, transaction by transaction."""

    def __init__(
        self, database_url: str, *, mode: str = "transaction", size: int = 4, round_robin: bool = False
    ) -> None:
        program = find_pgbouncer()
        assert program is not None, "pgbouncer is not installed"
        parts = urlsplit(database_url)
        sockets = parse_qs(parts.query)["host"][0]
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}{parts.path}"
        self._folder = Path(tempfile.mkdtemp(prefix="simplechat-pgbouncer-"))
        configuration = self._folder / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                sockets=sockets, port=self.port, mode=mode, size=size, round_robin=int(round_robin), folder=self._folder
            )
        )
        # It refuses to run as root, and only this account reaches the server's socket.
        account = pwd.getpwuid(Path(sockets).stat().st_uid) if os.geteuid() == 0 else None
        if account is not None:
            for path in (self._folder, configuration):
                os.chown(path, account.pw_uid, account.pw_gid)
        self._command = [program, "-q", str(configuration)]
        self._account = account
        self.start()

    def start(self) -> None:
        """Start it, or start it again on the same port."""
        account = self._account
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
                return
            except OSError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, with every connection."""
        self._process.kill()
        self._process.wait(20)

    def remove(self) -> None:
        """End it and remove its files."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
