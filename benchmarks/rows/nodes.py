"""Scaling by processes: the readers of a room spread over one, two and three processes."""

import statistics
import time
from contextlib import ExitStack
from functools import cache

from benchmarks.chat import Author, Chat
from benchmarks.measure import Line, Readers, cpu, spread, stamp_text

READERS, MESSAGES = 1_800, 60


@cache
def delivery_costs(repetitions: int) -> dict[int, list[float]]:
    """Return the CPU seconds of a delivery on one, two and three processes; measured once for all rows."""
    costs: dict[int, list[float]] = {1: [], 2: [], 3: []}
    with ExitStack() as stack:
        chat = Chat(processes=4, people=READERS)
        stack.callback(chat.close)
        writing, *reading = chat.servers
        author, stamp = Author(chat, writing), 0
        for _ in range(repetitions):
            for nodes, cost in costs.items():
                servers = reading[:nodes]
                share = READERS // nodes
                readers = [Readers(server.port, share, chat.handshakes(server, share)) for server in servers]
                time.sleep(3)
                before = sum(cpu(chat.meter(server)) for server in servers)
                for _ in range(MESSAGES):
                    stamp += 1
                    author.post(stamp_text(stamp))
                    for each in readers:
                        each.reached_all_at(stamp)
                cost.append((sum(cpu(chat.meter(server)) for server in servers) - before) / MESSAGES / READERS)
                for each in readers:
                    each.close()
                time.sleep(1)
    return costs


def run(repetitions: int) -> list[Line]:
    costs = delivery_costs(repetitions)
    lines = [
        Line(
            f"{READERS:,} readers on {nodes} {'process' if nodes == 1 else 'processes'}, CPU a delivery",
            spread([1e6 * value for value in cost], " µs"),
            "",
            None,
        )
        for nodes, cost in costs.items()
    ]
    for nodes in (2, 3):
        efficiency = [one / several for one, several in zip(costs[1], costs[nodes], strict=True)]
        reached = statistics.median(efficiency) >= 0.9
        lines.append(Line(f"capacity of {nodes} processes, of {nodes} times one", spread(efficiency), "≥ 0.9", reached))
    return lines
