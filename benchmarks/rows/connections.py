"""The cost of idle open pages, and the speed of connecting them, at first and after a restart."""

import statistics
import time
from contextlib import ExitStack

from benchmarks.chat import Author, Chat
from benchmarks.measure import SERVER_CORE, Line, Readers, pin, spread, stamp_text

IDLE, STORM = 10_000, 5_000


def run(repetitions: int) -> list[Line]:
    memory, rates, storms = [], [], []
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
            server.kill()
            server.start()
            pin(chat.meter(server), SERVER_CORE)
            Author(chat, server).post("what everybody has missed: " + stamp_text(1))
            behind = [text.replace("after=1&", "after=0&") for text in chat.handshakes(server, STORM)]
            began = time.monotonic()
            returning = Readers(server.port, STORM, behind)
            storms.append(returning.reached_all_at(1) - began)
            returning.close()
    return [
        Line(f"{IDLE:,} open pages, memory each", spread(memory, " kB"), "≤ 25 kB", statistics.median(memory) <= 25),
        Line("pages opened a second", spread(rates), "≥ 1,500", statistics.median(rates) >= 1500),
        Line(
            f"{STORM:,} readers back and replayed after",
            spread(storms, " s"),
            "≤ 10 s",
            statistics.median(storms) <= 10,
        ),
    ]
