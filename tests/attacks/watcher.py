"""Watches a server from a process of its own until its input ends: `python -m tests.attacks.watcher PORT PID`.

It asks `/healthz` on a new connection every 20 ms. Other programs use the machine, too. So two kinds of time do not
count: the machine stands still, and a trivial process does not answer either; or the server could run, but another
program has the processor.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

PAUSE_SECONDS = 0.02
STANDSTILL_SECONDS = 0.03  # the trivial process answers sooner on a machine that runs
PATIENCE_SECONDS = 60.0
TRIVIAL = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
while data := connection.recv(1):
    connection.send(data)
"""
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

TICKS = os.sysconf("SC_CLK_TCK")

Span = tuple[float, float]
Moment = tuple[float, bool, float]  # the time, whether the server could run, and its CPU seconds until then


def watch(port: int, pid: int) -> None:
    """Print that it has begun, watch until the input ends, then print the measurements as JSON."""
    ended = threading.Event()
    silences: list[Span] = []
    standstills: list[Span] = []
    moments: list[Moment] = []
    sizes: list[int] = [_resident_bytes(pid)]
    threads = [
        threading.Thread(target=_ask_health, args=(port, ended, silences)),
        threading.Thread(target=_ask_trivial_process, args=(ended, standstills)),
        threading.Thread(target=_ask_kernel, args=(pid, ended, moments)),
        threading.Thread(target=_weigh, args=(pid, ended, sizes)),
    ]
    for thread in threads:
        thread.start()
    print("watching", flush=True)
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    sizes.append(_resident_bytes(pid))
    longest = max((_of_its_own(silence, standstills, moments) for silence in silences), default=0.0)
    print(json.dumps({"silence": longest, "before": sizes[0], "peak": max(sizes), "after": sizes[-1]}), flush=True)


def _of_its_own(silence: Span, standstills: list[Span], moments: list[Moment]) -> float:
    """Return the length of a silence, without the time that other programs took."""
    start, end = silence
    still = sum(max(0.0, min(end, until) - max(start, since)) for since, until in standstills)
    runnable = had = 0.0
    for (since, could_run, before), (until, _, after) in pairwise(moments):
        # A long pause between two looks means that this process did not get the processor either.
        if (could_run or until - since > STANDSTILL_SECONDS) and since < end and until > start:
            runnable += min(end, until) - max(start, since)
            had += after - before
    return end - start - max(still, runnable - had)


def _ask_kernel(pid: int, ended: threading.Event, moments: list[Moment]) -> None:
    stat = Path(f"/proc/{pid}/task/{pid}/stat")
    with suppress(OSError):
        while not ended.wait(PAUSE_SECONDS / 2):
            state, *fields = stat.read_text().rpartition(")")[2].split()
            moments.append((time.monotonic(), state == "R", (int(fields[10]) + int(fields[11])) / TICKS))


def _ask_health(port: int, ended: threading.Event, silences: list[Span]) -> None:
    since = None
    while not ended.is_set() or since is not None:
        asked = time.monotonic()
        since = asked if since is None else since
        if _is_healthy(port):
            silences.append((since, time.monotonic()))
            since = None
        elif asked - since > PATIENCE_SECONDS:
            silences.append((since, asked))
            return
        time.sleep(PAUSE_SECONDS)


def _is_healthy(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(REQUEST)
        return connection.recv(100).startswith(b"HTTP/1.1 200")
    return False


def _ask_trivial_process(ended: threading.Event, standstills: list[Span]) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", TRIVIAL], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as connection:
            while not ended.is_set():
                asked = time.monotonic()
                connection.send(b"?")
                connection.recv(1)
                answered = time.monotonic()
                if answered - asked > STANDSTILL_SECONDS:
                    standstills.append((asked, answered))
                time.sleep(PAUSE_SECONDS)


def _weigh(pid: int, ended: threading.Event, sizes: list[int]) -> None:
    while not ended.wait(0.1):
        sizes.append(_resident_bytes(pid))


def _resident_bytes(pid: int) -> int:
    """Return the memory of a process and all its children; memory shared by forks counts once."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
    return total


if __name__ == "__main__":
    watch(int(sys.argv[1]), int(sys.argv[2]))
