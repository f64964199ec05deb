"""Reads `/metrics` as a Prometheus does."""

import time
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import TLS, ChatServer

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scrape:
    """The samples of an answer."""

    def __init__(self, text: str) -> None:
        self._samples: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self._samples, f"{key} is there twice"
                self._samples[key] = sample.value

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with a name and these labels, which may have others; 0 when there are none."""
        wanted = frozenset(labels.items())
        return sum(
            value for (each, of), value in self._samples.items() if each == f"simplechat_{name}" and wanted <= of
        )

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {dict(of)[label] for each, of in self._samples if each == f"simplechat_{name}" and label in dict(of)}

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self._samples}


def scrape(server: ChatServer, headers: Mapping[str, str] | None = None) -> Scrape:
    """The figures that a server on this machine tells now."""
    answer = httpx.get(f"{server.url}/metrics", headers=headers, verify=TLS, timeout=30)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


def until(server: ChatServer, name: str, expected: float, patience: float = 30, **labels: str) -> Scrape:
    """Wait until a value is as expected; processes tell each other theirs once a second."""
    deadline = time.monotonic() + patience
    while (found := scrape(server)).value(name, **labels) != expected:
        assert time.monotonic() < deadline, f"{name} {labels} is {found.value(name, **labels)}, not {expected}"
        time.sleep(0.1)
    return found
