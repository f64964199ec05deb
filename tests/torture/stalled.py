"""Stalled readers: `python -m tests.torture.stalled`.

50 of 500 readers of a room stop reading while messages go on. This measures what that costs the others.
"""

import argparse
import asyncio
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain

import psutil

from tests.support.people import Person, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.server import ChatServer
from tests.torture.audience import Audience

READERS, STALLED = 500, 50
MESSAGES_A_SECOND = 8
TEXT = "x" * 1_000  # more would measure how fast the readers in this process are


@dataclass
class Stalled:
    """The effect of the stalled readers. Latencies are seconds from posting until a reader has the message."""

    before: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    missing: int = 0
    grown_by: int = 0  # bytes
    dropped_after: float | None = None  # seconds
    exit_code: int = -1
    left_in: float = 0.0


async def stall(person: Person, readers: int, stalled: int, seconds: float, text: str, *, calm: float) -> Stalled:
    """Measure a server for `calm` seconds, then while some readers stall, and end it."""
    result = Stalled()
    assert person.server.process is not None
    process = psutil.Process(person.server.process.pid)
    audience = Audience(person)
    await audience.gather(readers, person.server.url)
    await audience.write(2, MESSAGES_A_SECOND, text)  # memory and caches settle
    # Watching has a cost, too, and so goes on in both halves.
    watching = asyncio.create_task(_watch(process, Stalled(), stalled))
    result.before = [*chain(*await audience.write(calm, MESSAGES_A_SECOND, text))]
    watching.cancel()
    for reader in audience.readers[:stalled]:
        reader.stall()
    watching = asyncio.create_task(_watch(process, result, stalled))
    during = await audience.write(seconds, MESSAGES_A_SECOND, text)
    watching.cancel()
    result.during = [*chain(*during)]
    result.missing = sum(readers - stalled - len(latencies) for latencies in during)
    started = time.monotonic()
    result.exit_code = await asyncio.to_thread(person.server.stop)
    result.left_in = time.monotonic() - started
    audience.close()
    return result


SPARE = 5  # connections to the database and of the writer come and go


async def _watch(process: psutil.Process, result: Stalled, stalled: int) -> None:
    began, memory, files = time.monotonic(), process.memory_info().rss, process.num_fds()
    while True:
        result.grown_by = max(result.grown_by, process.memory_info().rss - memory)
        if result.dropped_after is None and process.num_fds() <= files - stalled + SPARE:
            result.dropped_after = time.monotonic() - began
        await asyncio.sleep(0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=35, help="how long each half of a round lasts")
    arguments = parser.parse_args()
    print("| round | p99 before | p99 during | ratio | memory | dropped after | ended in | missing |")
    print("|---|---|---|---|---|---|---|---|")
    ratios, everything = [], Stalled()
    seconds = arguments.seconds
    for number in range(arguments.rounds):
        with ExitStack() as stack:
            postgres = PostgresServer()
            stack.callback(postgres.remove)
            server = ChatServer(postgres.url)
            stack.callback(server.remove)
            server.start()
            result = asyncio.run(stall(first_run(server), READERS, STALLED, seconds, TEXT, calm=seconds))
        before, during = (statistics.quantiles(latencies, n=100)[98] for latencies in (result.before, result.during))
        ratios.append(during / before)
        everything.before += result.before
        everything.during += result.during
        print(
            f"| {number + 1} | {before * 1000:.1f} ms | {during * 1000:.1f} ms | {during / before:.2f} |"
            f" +{result.grown_by / 2**20:.1f} MB | {result.dropped_after or float('inf'):.1f} s |"
            f" {result.left_in:.1f} s | {result.missing} |",
            flush=True,
        )
    before, during = (statistics.quantiles(each, n=100)[98] for each in (everything.before, everything.during))
    print(f"ratio of p99: median {statistics.median(ratios):.2f}, of all rounds together {during / before:.2f}")


if __name__ == "__main__":
    main()
