"""A server program that a test may kill, freeze and start again."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import psutil

from tests.support.ports import free_port

START_SECONDS = 90  # for RabbitMQ on a busy machine


class Program(ABC):
    """A server of one process, on a port of its own that it keeps when it is started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for the chat."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command that starts it in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether it serves."""

    def start(self) -> None:
        """Start it, or start it again on the same port, and wait until it answers; nothing when it runs."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                self._wait()
                raise AssertionError(f"{self._command()[0]} ended at once")
            assert time.monotonic() < deadline, f"{self._command()[0]} does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """End it in an orderly way."""
        if self._process is not None:
            self.resume()
            self._signal(signal.SIGTERM)
            self._wait()

    def pause(self) -> None:
        """Stop its process without closing its connections, like a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        if self._process is not None:
            self._signal(signal.SIGCONT)

    def processes(self) -> list[psutil.Process]:
        """The processes that run, for meters."""
        return [psutil.Process(self._process.pid)] if self._process is not None else []

    @property
    def ports(self) -> list[int]:
        """The ports that its clients connect to."""
        return [self.port]

    def lead_through(self, ports: Sequence[int]) -> str:
        """Lead clients to other ports, such as those of proxies, or back to its own; returns the address."""
        return self.url.replace(str(self.port), str(ports[0]))

    def faults(self) -> list[Callable[[], None]]:
        """The faults that only this kind of server has."""
        return []

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(30)
        self._process = None
