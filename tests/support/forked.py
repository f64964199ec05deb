"""Servers and commands forked from a process that has loaded the chat.

Loading it takes a second of CPU time, more than most tests do. What is forked is a process of its own all the same,
with its own environment, folder, streams, group and end.
"""

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType

from tests.support import measuring

ROOT = Path(__file__).resolve().parents[2]
# Asks a forked server to save which lines it ran, and then to die: with SIGKILL alone they would be lost.
END_MEASURED = signal.SIGUSR1
# What a server imports only when it starts, or when a person chooses a name or a password.
LOADED_LATE = (
    "anyio._backends._asyncio",
    "confusable_homoglyphs.confusables",
    "encodings.idna",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "zxcvbn.frequency_lists",
)


class ForkedProcess:
    """A process forked by `Forge`; used like a `subprocess.Popen`."""

    def __init__(self, forge: "Forge", pid: int) -> None:
        self._forge = forge
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self._forge.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code; raises `subprocess.TimeoutExpired`."""
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("chat", timeout or 0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end_measured(self) -> None:
        """Let it save what it ran and die, if it is measured."""
        if self._forge.is_measured:
            self.send_signal(END_MEASURED)
            with suppress(subprocess.TimeoutExpired):
                self.wait(20)


class Forge:
    """The process that others are forked from; it is started when the first is asked for.

    What these run is measured if `measures` and the tests measure what runs.
    """

    def __init__(self, *, measures: bool) -> None:
        self._measures = measures
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], streams: Sequence[Path], folder: Path = ROOT
    ) -> ForkedProcess:
        """Fork a process that runs the chat with these arguments in a folder; its output is appended to the streams."""
        run = {"arguments": arguments, "environment": environment, "streams": streams, "folder": folder}
        pid = self.ask(run)
        assert pid is not None
        return ForkedProcess(self, pid)

    @property
    def is_measured(self) -> bool:
        """Whether what its processes run is measured."""
        return self._measures and measuring.FOLDER in os.environ

    def ask(self, question: dict[str, object]) -> int | None:
        """Send a request and return its answer."""
        with self._lock:
            if self._process is None:
                left_out = set() if self.is_measured else {measuring.FOLDER}
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.forked"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    process_group=0,
                    env={name: value for name, value in os.environ.items() if name not in left_out},
                )
                atexit.register(self._end, self._process)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(question, default=str).encode() + b"\n")
            self._process.stdin.flush()
            answer: int | None = json.loads(self._process.stdout.readline())
            return answer

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def main() -> None:
    """Fork a process for each request on standard input; returns in these, and when there are no more requests."""
    from chat.__main__ import main as chat
    from chat.templating import environment

    for module in LOADED_LATE:
        import_module(module)
    for template in environment.list_templates():
        environment.get_template(template)
    # A server collects garbage when it starts: without all that is loaded here, it does so at once.
    gc.collect()
    gc.freeze()
    while line := sys.stdin.buffer.readline():
        question = json.loads(line)
        if "poll" in question:
            pid, status = os.waitpid(question["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif answer := os.fork():
            os.setpgid(answer, answer)
        else:
            _become_another(question["environment"], question["streams"], question["folder"])
            chat(question["arguments"])
            return
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _become_another(environment: dict[str, str], streams: list[str], folder: str) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    for number, stream in enumerate(streams):
        source = os.open(stream, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(source, number)
        os.close(source)
    os.environ.clear()
    os.environ.update(environment)
    if measuring.is_measured():
        signal.signal(END_MEASURED, _save_and_die)


def _save_and_die(_: int, __: FrameType | None) -> None:
    measuring.save()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
