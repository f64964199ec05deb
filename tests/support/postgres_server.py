"""A private PostgreSQL that a test may kill."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from chat.database import embedded
from chat.database.migrate import migrate
from tests.support.databases import execute, run
from tests.support.ports import free_port

TERMINATE_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()
"""


class PostgresServer:
    """A PostgreSQL server with one database, as durable as in production, on a socket and on a port."""

    def __init__(self, folder: Path | None = None, *, is_empty: bool = False) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="simplechat-postgres-"))
        self.port = free_port()
        options = {"max_connections": "300", "listen_addresses": "127.0.0.1", "port": str(self.port)}
        self._server = embedded.Server(self.folder / "data", options)
        self._server.start()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/{embedded.DATABASE}"
        if not is_empty:
            # In a thread: Playwright's own event loop occupies the thread of browser tests.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(migrate, self.url).result()

    def start(self) -> None:
        """Start it again on the same port, unless it runs."""
        if not self.processes():
            self._server.start()

    def stop(self) -> None:
        """End it in an orderly way."""
        self._server.stop()

    def kill(self) -> None:
        """End it as a crash would: the next start has to recover."""
        self._server.stop("immediate")

    def pause(self) -> None:
        """Stop its processes without closing its connections, like a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let paused processes go on."""
        self._signal(signal.SIGCONT)

    def cut(self) -> None:
        """Close every connection from the server's side."""
        run(execute(self.url, TERMINATE_OTHERS))

    @property
    def ports(self) -> list[int]:
        """The ports that its clients connect to."""
        return [self.port]

    def lead_through(self, ports: Sequence[int]) -> str:
        """Return the address by other ports, such as those of proxies."""
        return self.url.replace(str(self.port), str(ports[0]))

    def faults(self) -> list[Callable[[], None]]:
        """The faults that only this kind of broker has."""
        return [self.cut]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hang for a while."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def remove(self) -> None:
        """End it and remove its files."""
        self.resume()
        self._server.stop()
        self._server.remove_socket()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def processes(self) -> list[psutil.Process]:
        """The processes that run, the main one first."""
        try:
            main = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
            return [main, *main.children(recursive=True)]
        except (FileNotFoundError, psutil.NoSuchProcess):
            return []
