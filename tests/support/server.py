"""The chat as a real process."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import httpx
from websockets import Origin

from tests.support.forked import Forge, ForkedProcess
from tests.support.measuring import FOLDER
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
NOTHING = Path(os.devnull)
SETUP_CODE = "a code that only the tests use"
# Loading the certificates for each client takes 40 ms of CPU time.
TLS = ssl.create_default_context()
SERVE = ["-m", "chat", "serve"]
SECRET_KEY = "a secret key that only the tests use, nobody else"


def until_ready(url: str, patience: float = 90) -> None:
    """Wait until the server at an address says that it is ready."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", verify=TLS).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("it does not serve")


ServerProcess = subprocess.Popen[bytes] | ForkedProcess
NOT_INHERITED = {"PUBLIC_URL", "WEB_CONCURRENCY", FOLDER}

_forges = {measures: Forge(measures=measures) for measures in (True, False)}


class ChatServer:
    """`python -m chat serve` on a port of its own.

    What it runs is not measured: that would be lost when it is killed.
    """

    def __init__(self, database_url: str, redis_url: str | None = None, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        self.files = Path(tempfile.gettempdir(), f"simplechat-files-{uuid4().hex}")
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url or "",
            "SECRET_KEY": SECRET_KEY,
            "SETUP_CODE": SETUP_CODE,
            "HOST": "127.0.0.1",
            # Tests do in seconds what people do in a day. The tests of the limits set this back to 1.
            "RATE_LIMITS": "1000",
            "PORT": str(self.port),
            # The tests open many pages for few people.
            "PAGES_PER_PERSON": "100000",
            "FILES_URL": str(self.files),
            # Tests post links to sites that are none of theirs.
            "LINK_PREVIEWS": "no",
            **environment,
        }
        with tempfile.NamedTemporaryFile(prefix="simplechat-server-", suffix=".log", delete=False) as log:
            self._log = Path(log.name)
        self.process: ServerProcess | None = None
        self.command = SERVE
        # Another version of the chat runs from its own folder.
        self.folder = ROOT
        self._clients: list[httpx.Client] = []

    @property
    def origin(self) -> Origin:
        """The origin of its pages, for websockets."""
        return Origin(self.url)

    def limit_files(self, most: int) -> None:
        """Limit its open files and sockets from its next start on."""
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))"
        self.command = ["-c", f"{limit}; from chat.__main__ import main; main(['serve'])"]

    def closes(self, client: httpx.Client) -> httpx.Client:
        """Close a client when the server is removed."""
        self._clients.append(client)
        return client

    @property
    def log(self) -> str:
        """Everything it has printed."""
        return self._log.read_text(errors="replace")

    def until_logged(self, text: str, patience: float = 20, *, times: int = 1, since: int = 0) -> None:
        """Wait until it has printed a text so many times since a place in the log, which a thread of its own writes."""
        deadline = time.monotonic() + patience
        while self.log[since:].count(text) < times:
            assert time.monotonic() < deadline, f"“{text}” was not logged:\n{self.log}"
            time.sleep(0.05)

    def start(self, patience: float = 90) -> None:
        """Start it, or start it again on the same port, and wait until it serves."""
        self.process = self._start()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            serves = self._serves()
            # Another process may have taken the port and answer instead.
            if self.process.poll() is not None:
                break
            if serves:
                return
            time.sleep(0.03)
        raise AssertionError(f"the server did not start:\n{self.log}")

    def _start(self) -> ServerProcess:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *self.command],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def _serves(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, verify=TLS).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """End it with SIGTERM and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def kill(self) -> None:
        """End it as a crash would, with its workers: they outlive a supervisor that is killed alone."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(40)

    def restart(self) -> None:
        """End it in an orderly way and start it again."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """End it if it runs, and remove its log."""
        if self.process is not None:
            self.kill()
        for client in self._clients:
            client.close()
        self._log.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)


def until_not_ready(server: ChatServer, reason: str) -> None:
    """Wait until `/readyz` says why pages do not work."""
    deadline = time.monotonic() + 30
    while reason not in (answer := httpx.get(f"{server.url}/readyz", timeout=10)).text:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    assert answer.status_code == 503
    assert httpx.get(f"{server.url}/healthz").status_code == 200


class ForkedServer(ChatServer):
    """A server that starts ten times faster, and is measured if the tests measure what runs."""

    is_measured: ClassVar[bool] = True

    def _start(self) -> ServerProcess:
        # uvicorn's worker processes load the program that started them.
        if self.command != SERVE or self.folder != ROOT or self._environment.get("WEB_CONCURRENCY", "1") != "1":
            return super()._start()
        return _forges[self.is_measured].start(["serve"], self._environment, [NOTHING, self._log, self._log])

    def remove(self) -> None:
        """End it if it runs, after it has saved what it ran, and remove its log."""
        if isinstance(self.process, ForkedProcess):
            self.process.end_measured()
        super().remove()


def run_chat(
    *arguments: object, environment: Mapping[str, str], within: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `python -m chat` to its end, as an administrator at a terminal does, in a process that need not load it."""
    with tempfile.TemporaryDirectory(prefix="simplechat-command-") as folder:
        output, errors = (Path(folder) / name for name in ("output", "errors"))
        for stream in (output, errors):
            stream.touch()
        words = [str(argument) for argument in arguments]
        process = _forges[True].start(words, environment, [NOTHING, output, errors], Path("/tmp"))
        try:
            code = process.wait(within)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(words, code, output.read_text(), errors.read_text())
