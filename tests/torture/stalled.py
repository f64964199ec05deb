"""Stalled readers: `python -m tests.torture.stalled`.

Of 500 readers of one room, 50 take nothing any more while messages go on. What does it cost the others?
"""

import argparse
import asyncio
import re
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from uuid import uuid4

import httpx
import psutil

from tests.support.people import Person, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.server import ChatServer
from tests.torture.raw_reader import RawReader

READERS, STALLED = 500, 50
MESSAGES_A_SECOND = 8
BODY_BYTES = 8_000


@dataclass
class Stalled:
    """What the stalled readers did. Latencies are seconds from posting to one reader's having the message."""

    before: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    missing: int = 0
    grown_by: int = 0  # bytes
    dropped_after: float | None = None  # seconds
    exit_code: int = -1
    left_in: float = 0.0


class Audience:
    """The readers of one room, and a writer whose messages they time."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
        self._sent: dict[int, float] = {}
        self._latencies: dict[int, list[float]] = {}
        self.readers: list[RawReader] = []

    async def gather(self, count: int) -> None:
        """Let so many readers open the room."""
        page = self._person.get("/rooms/1").text
        after, epoch = re.findall(r'data-revision="(\d+)"', page)[0], re.findall(r"epoch=([0-9a-f-]+)", page)[0]
        path = f"/rooms/1/live?after={after}&epoch={epoch}"
        for _ in range(count):
            self.readers.append(await RawReader.open(self._person.server.url, path, self._cookie, self._arrived))

    async def write(self, seconds: float, stamps: range) -> list[list[float]]:
        """Post at a steady rate; returns what each message's latencies were, a second after the last."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        used = stamps[: int(seconds * MESSAGES_A_SECOND)]
        headers = {"Origin": self._person.server.url, "HX-Request": "true"}
        async with httpx.AsyncClient(cookies=self._person.client.cookies, headers=headers, timeout=10) as client:
            for number, stamp in enumerate(used):
                await asyncio.sleep(began + number / MESSAGES_A_SECOND - loop.time())
                body = f"stamp-{stamp}- {'x' * BODY_BYTES}"
                self._latencies[stamp] = []
                self._sent[stamp] = time.monotonic()
                fields = {"body": body, "client_id": str(uuid4())}
                answer = await client.post(f"{self._person.server.url}/rooms/1/messages", data=fields)
                assert answer.status_code == 200
        await asyncio.sleep(1)
        return [self._latencies[stamp] for stamp in used]

    def _arrived(self, stamp: int) -> None:
        self._latencies[stamp].append(time.monotonic() - self._sent[stamp])


async def stall(person: Person, readers: int, stalled: int, seconds: float) -> Stalled:
    """Measure one server before some readers stall and while they do, then end it."""
    result = Stalled()
    assert person.server.process is not None
    process = psutil.Process(person.server.process.pid)
    audience = Audience(person)
    await audience.gather(readers)
    await audience.write(2, range(1_000))  # memory and caches settle
    result.before = [*chain(*await audience.write(seconds, range(1_000, 2_000)))]
    for reader in audience.readers[:stalled]:
        reader.stall()
    watching = asyncio.create_task(_watch(process, result, readers - stalled))
    during = await audience.write(seconds, range(2_000, 3_000))
    watching.cancel()
    result.during = [*chain(*during)]
    result.missing = sum(readers - stalled - len(latencies) for latencies in during)
    started = time.monotonic()
    result.exit_code = await asyncio.to_thread(person.server.stop)
    result.left_in = time.monotonic() - started
    for reader in audience.readers:
        reader.close()
    return result


async def _watch(process: psutil.Process, result: Stalled, reading: int) -> None:
    began, memory = time.monotonic(), process.memory_info().rss
    while True:
        result.grown_by = max(result.grown_by, process.memory_info().rss - memory)
        connections = [found for found in process.net_connections("tcp") if found.status == psutil.CONN_ESTABLISHED]
        # The writers' own connections come on top.
        if result.dropped_after is None and len(connections) < reading + 5:
            result.dropped_after = time.monotonic() - began
        await asyncio.sleep(0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=35, help="how long each half of a round lasts")
    arguments = parser.parse_args()
    print("| round | p99 before | p99 during | ratio | memory | dropped after | ended in | missing |")
    print("|---|---|---|---|---|---|---|---|")
    ratios = []
    for number in range(arguments.rounds):
        with ExitStack() as stack:
            postgres = PostgresServer()
            stack.callback(postgres.remove)
            server = ChatServer(postgres.url)
            stack.callback(server.remove)
            server.start()
            result = asyncio.run(stall(first_run(server), READERS, STALLED, arguments.seconds))
        before, during = (statistics.quantiles(latencies, n=100)[98] for latencies in (result.before, result.during))
        ratios.append(during / before)
        print(
            f"| {number + 1} | {before * 1000:.1f} ms | {during * 1000:.1f} ms | {during / before:.2f} |"
            f" +{result.grown_by / 2**20:.1f} MB | {result.dropped_after or float('inf'):.1f} s |"
            f" {result.left_in:.1f} s | {result.missing} |",
            flush=True,
        )
    print(f"median ratio of p99: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
