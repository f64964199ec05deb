"""A private Prometheus that asks a chat for its figures every second."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.support.ports import free_port
from tests.support.server import ROOT

RULES = ROOT / "deploy/prometheus"

CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: simplechat
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def find_prometheus() -> str | None:
    """The program, None when it is not installed."""
    return shutil.which("prometheus")


class Sample(NamedTuple):
    """A value and its labels."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """A Prometheus on a port and in a folder of its own."""

    def __init__(self, chat_port: int) -> None:
        program = find_prometheus()
        assert program is not None, "prometheus is not installed"
        self._folder = Path(tempfile.mkdtemp(prefix="simplechat-prometheus-"))
        configuration = self._folder / "prometheus.yml"
        configuration.write_text(CONFIGURATION.format(port=chat_port, rules=RULES / "alerts.yml"))
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=self._folder,
            stdout=self._log,
            stderr=self._log,
        )

    def get(self, path: str, **parameters: str) -> dict[str, object]:
        """The data of an answer to a question."""
        response = httpx.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=30)
        if response.status_code == 503:
            raise httpx.ConnectError("it is still starting")
        answer = response.json()
        assert answer["status"] == "success", answer
        data: dict[str, object] = answer["data"]
        return data

    def query(self, text: str) -> list[Sample]:
        """The samples that a query finds now."""
        found = self.get("query", query=text)["result"]
        assert isinstance(found, list)
        return [Sample(each["metric"], float(each["value"][1])) for each in found]

    def until_found(self, text: str, patience: float = 60) -> None:
        """Wait until it runs, and until a query finds something."""
        deadline = time.monotonic() + patience
        while True:
            try:
                if self.query(text):
                    return
            except httpx.TransportError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, f"{text} finds nothing: {(self._folder / 'log').read_text()[-2000:]}"
            time.sleep(0.1)

    def remove(self) -> None:
        """End it and remove its files."""
        self._process.kill()
        self._process.wait(20)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)
