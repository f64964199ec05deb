"""The cost of idle open pages, and the speed of connecting them."""

import statistics
import time
from contextlib import ExitStack

from benchmarks.chat import Chat
from benchmarks.measure import Line, Readers, spread

IDLE = 10_000


def run(repetitions: int) -> list[Line]:
    memory, rates = [], []
    for _ in range(min(repetitions, 3)):
        with ExitStack() as stack:
            chat = Chat(people=IDLE)
            stack.callback(chat.close)
            server = chat.servers[0]
            warm = Readers(server.port, 100, chat.handshakes(server, 100))
            warm.close()
            time.sleep(6)
            before = chat.meter(server).memory_info().rss
            readers = Readers(server.port, IDLE, chat.handshakes(server, IDLE))
            rates.append(IDLE / readers.opened_in)
            time.sleep(6)
            memory.append((chat.meter(server).memory_info().rss - before) / IDLE / 1000)
            readers.close()
    return [
        Line(f"{IDLE:,} open pages, memory each", spread(memory, " kB"), "≤ 25 kB", statistics.median(memory) <= 25),
        Line("pages opened a second", spread(rates), "≥ 1,500", statistics.median(rates) >= 1500),
    ]
