"""The time from starting the chat until it serves."""

import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

from benchmarks.measure import Line, spread
from tests.support.people import first_run
from tests.support.postgres_server import PostgresServer
from tests.support.server import ROOT, ChatServer


def run(repetitions: int) -> list[Line]:
    starts, imports = [], []
    with ExitStack() as stack:
        postgres = PostgresServer()
        stack.callback(postgres.remove)
        server = ChatServer(postgres.url)
        stack.callback(server.remove)
        server.start()
        first_run(server)
        for _ in range(repetitions):
            server.stop()
            began = time.monotonic()
            server.start()
            starts.append(time.monotonic() - began)
            began = time.monotonic()
            subprocess.run([sys.executable, "-c", "import chat.__main__"], cwd=ROOT, check=True)
            imports.append(time.monotonic() - began)
    return [
        Line("from start to serving", spread(starts, " s"), "≤ 1 s", statistics.median(starts) <= 1),
        Line("importing everything", spread(imports, " s"), "", None),
    ]
