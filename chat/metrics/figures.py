"""The figures of a process at one moment, and their sum over several processes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from chat.metrics.catalogue import METRICS
from chat.tally import Histogram

Key = tuple[str, ...]  # a metric's name and the values of its labels


@dataclass(slots=True)
class Figures:
    """The values of metrics. A histogram is a list of its counts, followed by its sum.

    `node` names the process among all, `started_at` is when it started, in seconds since 1970, and `recent` are its
    counts of the last minute.
    """

    node: str = ""
    machine: str = ""
    process_id: int = 0
    started_at: float = 0.0
    counters: dict[Key, float] = field(default_factory=dict)
    gauges: dict[Key, float] = field(default_factory=dict)
    histograms: dict[Key, list[float]] = field(default_factory=dict)
    recent: dict[str, float] = field(default_factory=dict)

    def histogram(self, name: str, *labels: str, of: Histogram) -> None:
        """Set the value of a histogram."""
        self.histograms[name, *labels] = [*of.counts, of.sum]

    def add_history(self, other: "Figures") -> None:
        """Add the counters and histograms of another process, which may have ended."""
        for key, value in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + value
        for key, values in other.histograms.items():
            mine = self.histograms.get(key)
            self.histograms[key] = [a + b for a, b in zip(mine, values, strict=True)] if mine else list(values)

    def add_recent(self, other: "Figures") -> None:
        """Add another process's counts of the last minute."""
        for name, value in other.recent.items():
            self.recent[name] = self.recent.get(name, 0) + value

    def add(self, other: "Figures") -> None:
        """Add all figures of another process that runs."""
        self.add_history(other)
        self.add_recent(other)
        for key, value in other.gauges.items():
            if key[0] not in METRICS:
                continue  # of a process of another version
            if key not in self.gauges:
                self.gauges[key] = value
            elif METRICS[key[0]].over == "least":
                self.gauges[key] = min(self.gauges[key], value)
            else:
                self.gauges[key] += value

    def encode(self) -> bytes:
        """Return them as JSON."""
        maps = (self.counters, self.gauges, self.histograms)
        lists = [[[*key, value] for key, value in values.items()] for values in maps]
        process = [self.node, self.machine, self.process_id, self.started_at]
        return json.dumps([*process, self.recent, *lists]).encode()


def decode(text: bytes) -> Figures:
    """Return the figures in JSON; raises `ValueError` or `TypeError` for anything else."""
    node, machine, process_id, started_at, recent, *maps = json.loads(text)
    counters, gauges, histograms = ({tuple(key): value for *key, value in each} for each in maps)
    return Figures(node, machine, process_id, started_at, counters, gauges, histograms, dict(recent))


def sum_of(running: Iterable[Figures], ended: Iterable[Figures] = ()) -> Figures:
    """Return the sum over processes. Those that have ended add their counters and histograms, and no gauges."""
    total = Figures()
    for each in ended:
        total.add_history(each)
    for each in running:
        total.add(each)
    return total
