"""The cost of a message for each of 1,000 readers of a room, and its latency at the last reader."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import psutil

from benchmarks.chat import Author, Chat
from benchmarks.measure import SERVER_CORE, Http, Line, Readers, cpu, handshake, pin, spread, stamp_text
from benchmarks.programs import REFERENCES, NotHere, compiled, gorilla, node_script
from tests.support.databases import execute
from tests.support.databases import run as run_async
from tests.support.ports import free_port

KEEPS = "Node, ws and its own INSERT"
READERS, SINGLES, A_SECOND, BURSTS, BURST = 1000, 60, 10, 12, 8


@dataclass
class Contestant:
    """A program that delivers a text with a stamp to all readers."""

    name: str
    meter: psutil.Process
    readers: Readers
    say: Callable[[int], object]
    single: list[float] = field(default_factory=list)  # CPU seconds a delivery
    burst: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)  # the load program's share of its core
    said: int = 0

    def measure(self, pool: ThreadPoolExecutor) -> None:
        before, start = cpu(self.meter), time.monotonic()
        for number in range(SINGLES):
            time.sleep(max(0.0, start + number / A_SECOND - time.monotonic()))
            stamp = self._next()
            began = time.monotonic()
            self.say(stamp)
            self.latency.append(self.readers.reached_all_at(stamp) - began)
        self.single.append((cpu(self.meter) - before) / SINGLES / READERS)
        before, load_before, began = cpu(self.meter), cpu(self.readers.meter), time.monotonic()
        for _ in range(BURSTS):
            stamps = [self._next() for _ in range(BURST)]
            list(pool.map(self.say, stamps))
            for stamp in stamps:
                self.readers.reached_all_at(stamp)
        self.burst.append((cpu(self.meter) - before) / BURSTS / BURST / READERS)
        self.load.append((cpu(self.readers.meter) - load_before) / (time.monotonic() - began))

    def _next(self) -> int:
        self.said += 1
        return self.said


def run(repetitions: int) -> list[Line]:
    lines: list[Line] = []
    with ExitStack() as stack:
        chat = Chat(processes=2, people=READERS)
        stack.callback(chat.close)
        markup = Author(chat, chat.servers[0]).post(stamp_text(0) + " " + "word " * 20)
        frame = re.findall(r"<li .*?</li>", markup, re.DOTALL)[0]
        contestants = [_ours(chat, stack)]
        run_async(execute(chat.postgres.url, "CREATE TABLE reference_messages (id bigserial, room bigint, body text)"))
        for name, command, greeting in _references(chat.postgres.url):
            try:
                contestants.append(_reference(name, command(), greeting, frame, stack))
            except NotHere as missing:
                lines.append(Line(f"fan-out: {name}", f"not measured: {missing}", "", None))
        pool = stack.enter_context(ThreadPoolExecutor(BURST))
        for _ in range(repetitions):
            for contestant in contestants:
                try:
                    contestant.measure(pool)
                except TimeoutError as error:
                    raise RuntimeError(contestant.name) from error
    return _lines(contestants) + lines


def _references(database_url: str) -> list[tuple[str, Callable[[], list[str]], str]]:
    return [
        ("C epoll, one send() a reader (the limit)", lambda: [compiled("references/limit.c")], ""),
        ("Go, gorilla/websocket", lambda: [gorilla()], ""),
        ("Node, ws", lambda: node_script("ws.js"), ""),
        (KEEPS, lambda: [*node_script("ws_insert.js"), database_url], ""),
        ("Node, socket.io", lambda: node_script("socketio.js"), "40"),
        ("broadcaster's README pattern", lambda: [sys.executable, str(REFERENCES / "readme_pattern.py")], ""),
    ]


def _ours(chat: Chat, stack: ExitStack) -> Contestant:
    """Measure the cost of a message for a process with readers; another process takes the posts."""
    writing, reading = chat.servers
    readers = Readers(reading.port, READERS, chat.handshakes(reading, READERS))
    stack.callback(readers.close)
    authors = [Author(chat, writing) for _ in range(BURST)]
    text = " " + "word " * 20
    return Contestant(
        "simplechat",
        chat.meter(reading),
        readers,
        lambda stamp: authors[stamp % BURST].post(stamp_text(stamp) + text),
    )


def _reference(name: str, command: list[str], greeting: str, frame: str, stack: ExitStack) -> Contestant:
    port = free_port()
    process = subprocess.Popen([*command, str(port)])
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    meter = psutil.Process(process.pid)
    pin(meter, SERVER_CORE)
    time.sleep(2)
    path = "/socket.io/?EIO=4&transport=websocket" if greeting else "/live"
    readers = Readers(port, READERS, [handshake(port, path)], greeting)
    stack.callback(readers.close)
    time.sleep(1)
    clients = [Http(port) for _ in range(BURST)]

    def say(stamp: int) -> None:
        clients[stamp % BURST].post("/", frame.replace(stamp_text(0), stamp_text(stamp)).encode())

    return Contestant(name, meter, readers, say)


def _lines(contestants: list[Contestant]) -> list[Line]:
    ours = contestants[0]
    limit = next(each for each in contestants if each.name.startswith("C epoll"))
    lines = []

    def ratios(mine: list[float], theirs: list[float]) -> list[float]:
        return [a / b for a, b in zip(mine, theirs, strict=True)]

    for each in contestants:
        micro = [1e6 * value for value in each.single]
        lines.append(Line(f"fan-out to {READERS:,}, CPU a delivery: {each.name}", spread(micro, " µs"), "", None))
    to_limit = ratios(ours.single, limit.single)
    lines.append(_ratio("one at a time, against the C limit", to_limit, 1.4))
    lines.append(
        _ratio(
            f"bursts of {BURST}, against the C limit (sends fewer, larger frames)", ratios(ours.burst, limit.burst), 0.5
        )
    )
    goals = {"broadcaster's README pattern": 0.2, "Node, ws": 1.0, "Node, socket.io": 1.0, "Go, gorilla/websocket": 1.2}
    lines += [
        _ratio(f"one at a time, against {each.name}", ratios(ours.single, each.single), goals[each.name])
        for each in contestants
        if each.name in goals
    ]
    for each in contestants:
        figure = f"p50 {1e3 * _percentile(each, 50):.1f} ms, p99 {1e3 * _percentile(each, 99):.1f} ms"
        lines.append(Line(f"post to last of {READERS:,}: {each.name}", figure, "", None))
    busiest = max(max(each.load) for each in contestants)
    work = "the load program's share of its core; from 0.9 on it is the bottleneck of latencies, not of CPU"
    lines.append(Line(work, f"at most {busiest:.2g}", "< 0.9", busiest < 0.9))
    for keeps in [each for each in contestants if each.name == KEEPS]:
        for percent in (50, 99):
            ratio = _percentile(ours, percent) / _percentile(keeps, percent)
            work = f"post to last of {READERS:,}, p{percent} against {KEEPS}"
            lines.append(Line(work, f"× {ratio:.3g}", "≤ 2", ratio <= 2))
    return lines


def _percentile(contestant: Contestant, percent: int) -> float:
    return statistics.quantiles(contestant.latency, n=100)[percent - 1]


def _ratio(work: str, values: list[float], most: float) -> Line:
    return Line(f"fan-out, {work}", f"× {spread(values)}", f"≤ {most:g}", statistics.median(values) <= most)
