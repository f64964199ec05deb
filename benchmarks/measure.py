"""Meters: CPU of processes, readers of websockets, ratios and their spread."""

import queue
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.programs import compiled

SERVER_CORE, LOAD_CORE = 0, 1 if (psutil.cpu_count() or 1) > 1 else 0


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    work: str
    figure: str
    goal: str
    is_reached: bool | None  # None where there is no goal, or it could not be measured


def pin(process: psutil.Process, core: int) -> None:
    """Pin a process and its children to a core."""
    for each in (process, *process.children(recursive=True)):
        each.cpu_affinity([core])


def cpu(process: psutil.Process) -> float:
    """Return the seconds of user and system time that a process and its children have used, also those that ended."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, OSError):
            times = each.cpu_times()
            total += _clock(each.pid) + times.children_user + times.children_system
    return total


def _clock(pid: int) -> float:
    """Return the seconds that the scheduler has counted for a process, by its clock (`clock_getcpuclockid(3)`).

    `/proc` has them in hundredths. So many are all that some idle servers and their database use in half a minute.
    """
    return time.clock_gettime(~pid << 3 | 2)


def spread(values: Sequence[float], unit: str = "") -> str:
    """Return the median, and the least and the greatest value, as text."""
    return f"{statistics.median(values):.3g}{unit} ({min(values):.3g} – {max(values):.3g})"


class Readers:
    """Many websockets of a load process: on the other core, or behind the command `inside`, on any core."""

    def __init__(
        self, port: int, count: int, handshakes: Sequence[str], greeting: str = "", inside: Sequence[str] = ()
    ) -> None:
        self._requests = tempfile.NamedTemporaryFile("w", suffix=".requests", newline="")  # noqa: SIM115
        self._requests.write("".join(handshakes))
        self._requests.flush()
        sources = str(count // 20_000 + 1)
        command = [*inside, compiled("load.c"), str(port), str(count), self._requests.name, sources]
        self._process = subprocess.Popen(
            command + ([greeting] if greeting else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.meter = psutil.Process(self._process.pid)
        if not inside:
            pin(self.meter, LOAD_CORE)
        self._lines: queue.Queue[list[str]] = queue.Queue()
        self.lost = 0
        self._done: dict[int, float] = {}
        threading.Thread(target=self._read, daemon=True).start()
        word = self._lines.get(timeout=120)
        if word[0] != "open":
            raise RuntimeError(f"the readers could not connect: {word}")
        self.opened_in = float(word[1])

    def reached_all_at(self, stamp: int, patience: float = 30) -> float:
        """Return the moment (`time.monotonic`) at which a stamp had reached every reader."""
        deadline = time.monotonic() + patience
        while stamp not in self._done:
            try:
                word = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"stamp {stamp} did not reach everybody; {self.lost} were lost") from None
            if word[0] == "done":
                self._done[int(word[1])] = int(word[2]) / 1e9
            elif word[0] == "lost":
                self.lost += 1
        return self._done[stamp]

    def close(self) -> None:
        self._process.communicate(timeout=30)
        self._requests.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.split())
        self._lines.put(["ended"])


class Http:
    """A connection that is kept open, as light as a client can be, because its own cost must not count."""

    def __init__(self, port: int, headers: str = "", host: str = "127.0.0.1") -> None:
        self._address = host, port
        self._headers = f"Host: {host}:{port}\r\n{headers}"
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def get(self, path: str) -> bytes:
        """Return a page."""
        return self._ask(f"GET {path} HTTP/1.1\r\n{self._headers}\r\n".encode())

    def post(self, path: str, body: bytes) -> bytes:
        """Send a form or a text and return the answer's body."""
        head = f"POST {path} HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        return self._ask(head.encode() + body)

    def _ask(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        status, length = self._answers.readline(), 0
        if not status:
            # Servers close a connection that was idle for some seconds.
            self._connect()
            self._socket.sendall(request)
            status = self._answers.readline()
        while (line := self._answers.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = self._answers.read(length)
        if not status.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{status!r}: {answer[:200]!r}")
        return answer


def handshake(port: int, path: str = "/", cookie: str = "") -> str:
    """Return a websocket's opening request (RFC 6455, 4.1)."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        + (f"Cookie: {cookie}\r\n" if cookie else "")
        + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )


def stamp_text(stamp: int) -> str:
    """Return the text of a stamp, which the readers look for."""
    return f"stamp-{stamp:08}"


def temporary_folder(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"simplechat-bench-{name}-"))
