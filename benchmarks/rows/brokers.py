"""Measure a message through each broker: its latency, and the CPU time of the chat's processes and of the broker."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import psutil

from benchmarks.measure import Line, spread
from chat.live.brokers.broker import Broker, create_broadcast
from tests.support.brokers import BROKERS, Machine, missing, remove
from tests.support.postgres_server import PostgresServer

HINT = "x" * 700  # characters: a hint of a short message
ALONE, GAP = 200, 0.005  # messages one at a time, and the seconds between them
BURSTS, BURST = 30, 100


@dataclass
class Contestant:
    """A broker, and the measured costs of its messages."""

    machine: Machine
    latency: list[float] = field(default_factory=list)  # seconds
    client: list[float] = field(default_factory=list)  # CPU seconds a message, sending and receiving together
    server: list[float] = field(default_factory=list)  # CPU seconds a message

    async def measure(self) -> None:
        """Send from a process's broker to another's, both in this process."""
        here, there = create_broadcast(self.machine.url), create_broadcast(self.machine.url)
        async with here, there, there.subscribe("room:7") as room:
            while not (here.backend.is_connected and there.backend.is_connected):  # noqa: ASYNC110  no event tells it
                await anyio.sleep(0.01)
            await self._exchange(here, room.get, 20)  # to warm up
            for _ in range(ALONE):
                await anyio.sleep(GAP)
                began = time.perf_counter()
                await here.publish("room:7", HINT)
                await room.get()
                self.latency.append(time.perf_counter() - began)
            ours, theirs = time.process_time(), self._cpu()
            for _ in range(BURSTS):
                await self._exchange(here, room.get, BURST)
            self.client.append((time.process_time() - ours) / BURSTS / BURST)
            self.server.append((self._cpu() - theirs) / BURSTS / BURST)

    async def _exchange(self, here: Broker, get: Callable[[], Awaitable[object]], count: int) -> None:
        for _ in range(count):
            await here.publish("room:7", HINT)
        for _ in range(count):
            await get()

    def _cpu(self) -> float:
        processes = self.machine.processes()
        if isinstance(self.machine, PostgresServer):  # its list has the children already
            return sum(_finely(process) for process in processes)
        return sum(_finely(each) for process in processes for each in (process, *process.children(recursive=True)))


def _finely(process: psutil.Process) -> float:
    """Return the seconds of CPU time of a process. Its usual clock ticks only a hundred times a second."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def run(repetitions: int) -> list[Line]:
    lines = []
    contestants: dict[str, Contestant] = {}
    with ExitStack() as stack:
        for broker, make in BROKERS.items():
            if reason := missing(broker):
                lines.append(Line(broker, f"not measured: {reason}", "", None))
                continue
            machine = make()
            stack.callback(remove, machine)
            machine.start()
            contestants[broker] = Contestant(machine)
        for _ in range(repetitions):
            for contestant in contestants.values():
                asyncio.run(contestant.measure())
    for broker, contestant in contestants.items():
        lines += _lines(broker, contestant, contestants["redis"])
    return lines


def _lines(broker: str, mine: Contestant, redis: Contestant) -> list[Line]:
    hundredths = statistics.quantiles(mine.latency, n=100)
    figures = f"p50 {1e3 * hundredths[49]:.2f} ms, p99 {1e3 * hundredths[98]:.1f} ms"
    lines = [Line(f"{broker}: a message alone, from process to process", figures, "", None)]
    for name, costs, others in (
        ("the chat", mine.client, redis.client),
        ("the broker", mine.server, redis.server),
    ):
        ratio = statistics.median(a / max(b, 1e-7) for a, b in zip(costs, others, strict=True))
        figure = f"{spread([1e6 * cost for cost in costs], ' µs')}, × {ratio:.2g} of Redis"
        lines.append(Line(f"{broker}: CPU of {name} for a message", figure, "", None))
    return lines
