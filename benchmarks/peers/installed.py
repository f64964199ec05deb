"""A chat server of the system, on the servers' core and with a PostgreSQL of its own."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measure import SERVER_CORE, temporary_folder
from tests.support.postgres_server import PostgresServer
from tests.support.programs import Program


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Start programs on a core: a process inherits the cores of what starts it, with all its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [core])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Installed(Program):
    """A program that serves on its port, with its files in a folder of its own."""

    name: str
    database: PostgresServer | None

    def __init__(self) -> None:
        super().__init__()
        self.folder = temporary_folder(self.name)

    def own_database(self) -> PostgresServer:
        """Start a PostgreSQL with one empty database, which is removed with the server."""
        with on_core(SERVER_CORE):
            self.database = PostgresServer(is_empty=True)
        return self.database

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with on_core(SERVER_CORE):
            super().start()

    def remove(self) -> None:
        """End it and its database, and remove their files."""
        self.stop()
        if self.database is not None:
            self.database.remove()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
