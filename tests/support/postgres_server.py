"""A private PostgreSQL that a test may kill."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from chat import embedded, schema


class PostgresServer:
    """One PostgreSQL server with a migrated database, as durable as in production."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="simplechat-postgres-"))
        self._server = embedded.Server(self._folder / "data", {"max_connections": "300"})
        self.url = self._server.start()
        # In a thread: Playwright's own event loop occupies the one of browser tests.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(schema.migrate, self.url).result()

    def start(self) -> None:
        """Start it again on the same socket."""
        self._server.start()

    def stop(self) -> None:
        """End it in an orderly way."""
        self._server.stop()

    def kill(self) -> None:
        """End it as a crash would: the next start has to recover."""
        self._server.stop("immediate")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hang: connections stay open, and nothing answers."""
        main = psutil.Process(int((self._folder / "data" / "postmaster.pid").read_text().split()[0]))
        processes = [main, *main.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it and remove what it kept."""
        self._server.stop()
        self._server.remove_socket()
        shutil.rmtree(self._folder, ignore_errors=True)
