"""Whether a delivery costs the same for 100 readers and 10,000, and a message nothing where nobody reads."""

import statistics
import time
from contextlib import ExitStack

from benchmarks.chat import Author, Chat
from benchmarks.measure import Line, Readers, cpu, spread, stamp_text

SIZES = (100, 1_000, 10_000)
DELIVERIES = 60_000


def run(repetitions: int) -> list[Line]:
    costs: dict[int, list[float]] = {size: [] for size in SIZES}
    idle, slopes = [], []
    with ExitStack() as stack:
        chat = Chat(processes=3, people=SIZES[-1])
        stack.callback(chat.close)
        writing, reading, watching = chat.servers
        author, stamp = Author(chat, writing), 0
        for _ in range(repetitions):
            for size in SIZES:
                readers = Readers(reading.port, size, chat.handshakes(reading, size))
                time.sleep(2)
                messages = min(100, max(12, DELIVERIES // size))
                meter, other = chat.meter(reading), chat.meter(watching)
                before, before_other = cpu(meter), cpu(other)
                for _ in range(messages):
                    stamp += 1
                    author.post(stamp_text(stamp))
                    readers.reached_all_at(stamp)
                # A message costs something by itself; growth is what each further reader adds.
                costs[size].append((cpu(meter) - before) / messages)
                idle.append(1e6 * (cpu(other) - before_other) / messages)
                readers.close()
                time.sleep(1)
            first = (costs[1_000][-1] - costs[100][-1]) / 900
            last = (costs[10_000][-1] - costs[1_000][-1]) / 9_000
            slopes.append(last / first)
    lines = [
        Line(f"a message to {size:,} readers, CPU", spread([1e3 * value for value in costs[size]], " ms"), "", None)
        for size in SIZES
    ]
    return [
        *lines,
        Line(
            "each further reader, 1,000–10,000 against 100–1,000",
            f"× {spread(slopes)}",
            "0.9 – 1.1",
            0.9 <= statistics.median(slopes) <= 1.1,
        ),
        Line(
            "a message, for a process without readers of the room",
            spread(idle, " µs"),
            "≈ 0",
            statistics.median(idle) < 100,
        ),
    ]
