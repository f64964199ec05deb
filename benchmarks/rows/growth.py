"""The cost of a delivery for 100 readers and 10,000, and of a message for a process without readers."""

import itertools
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack

import psutil

from benchmarks.chat import Author, Chat
from benchmarks.measure import SERVER_CORE, Http, Line, Readers, cpu, handshake, pin, spread, stamp_text
from benchmarks.programs import compiled
from tests.support.ports import free_port

SIZES = (100, 1_000, 10_000)
DELIVERIES = 60_000
POSTS = 200
FILLING = b" word" * 160  # about as long as a message's markup
STAMPS = itertools.count(1)


def run(repetitions: int) -> list[Line]:
    ours, limits, idle = [], [], []
    with ExitStack() as stack:
        chat = Chat(processes=3, people=SIZES[-1])
        stack.callback(chat.close)
        writing, reading, watching = chat.servers
        author = Author(chat, writing)
        limit, port = _limit(stack)
        client, hello = Http(port), [handshake(port, "/live")]
        for _ in range(repetitions):
            ours.append(
                _costs(reading.port, lambda size: chat.handshakes(reading, size), chat.meter(reading), author.post)
            )
            idle.append(_cost_of_others(author, chat.meter(watching)))
            limits.append(_costs(port, lambda _: hello, limit, lambda text: client.post("/", text.encode() + FILLING)))
    slopes, limit_slopes = [_slope(costs) for costs in ours], [_slope(costs) for costs in limits]
    return [
        *(
            Line(f"a message to {size:,} readers, CPU", spread([1e3 * costs[size] for costs in ours], " ms"), "", None)
            for size in SIZES
        ),
        Line(
            "each further reader, 1,000–10,000 against 100–1,000",
            f"× {spread(slopes)}",
            "0.9 – 1.1",
            0.9 <= statistics.median(slopes) <= 1.1,
        ),
        Line("the same for the C limit", f"× {spread(limit_slopes)}", "", None),
        Line(
            "a message, for a process without readers of the room",
            spread(idle, " µs"),
            "≈ 0",
            statistics.median(idle) < 100,
        ),
    ]


def _limit(stack: ExitStack) -> tuple[psutil.Process, int]:
    port = free_port()
    process = subprocess.Popen([compiled("references/limit.c"), str(port)])
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    meter = psutil.Process(process.pid)
    pin(meter, SERVER_CORE)
    time.sleep(1)
    return meter, port


def _messages(size: int) -> int:
    return min(100, max(12, DELIVERIES // size))


def _costs(
    port: int, handshakes: Callable[[int], list[str]], meter: psutil.Process, say: Callable[[str], object]
) -> dict[int, float]:
    """Return the CPU seconds of a message for each number of readers."""
    costs = {}
    for size in SIZES:
        readers = Readers(port, size, handshakes(size))
        time.sleep(2)
        before = cpu(meter)
        for _ in range(_messages(size)):
            stamp = next(STAMPS)
            say(stamp_text(stamp))
            readers.reached_all_at(stamp)
        costs[size] = (cpu(meter) - before) / _messages(size)
        readers.close()
        time.sleep(1)
    return costs


def _cost_of_others(author: Author, watching: psutil.Process) -> float:
    """Return the CPU microseconds of a message for a process without readers of its room."""
    before = cpu(watching)
    for _ in range(POSTS):
        author.post("for nobody here")
    return 1e6 * (cpu(watching) - before) / POSTS


def _slope(costs: dict[int, float]) -> float:
    """Return what another reader costs in a large room, relative to a small one, without the message's own cost."""
    few, some, many = SIZES
    return ((costs[many] - costs[some]) / (many - some)) / ((costs[some] - costs[few]) / (some - few))
