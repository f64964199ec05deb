"""Runs on nodes in network namespaces, and the costs that they show."""

import itertools
import random
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import psutil

from benchmarks.measure import Http, Readers, stamp_text
from benchmarks.simulation.model import Costs
from benchmarks.simulation.namespaces import NETWORK, PORT, Nodes
from chat.accounts.tokens import Signer
from chat.ids import SessionId
from tests.support.databases import query
from tests.support.server import SECRET_KEY

REST_SECONDS, IDLE_SECONDS = 4, 5
STAMPS = itertools.count(1)


@dataclass(frozen=True)
class Measured:
    """A run: CPU seconds of a message in each kind of process, its latencies, and how many others wanted a core."""

    nodes: int
    readers: int
    posts_a_second: float
    node: float
    database: float
    broker: float
    load: float
    latencies: list[float]
    others: float

    @property
    def median(self) -> float:
        return statistics.median(self.latencies)


@contextmanager
def room(nodes: Nodes, used: int, readers: int) -> Iterator[list[Readers]]:
    """Spread the readers of room 1 over the first nodes; the others have nothing to do."""
    signer, now = Signer(SECRET_KEY), datetime.now(UTC)
    cookies = [f"simplechat-access={signer.access_token(SessionId(each), now)}" for each in nodes.sessions]
    url, share = nodes.servers[0].database_url, readers // used
    after = int(query(url, "SELECT revision FROM rooms WHERE id = 1")[0][0])
    opened = [nodes.readers(number, share, cookies, after) for number in range(used)]
    time.sleep(REST_SECONDS)
    yield opened
    for each in opened:
        each.close()
    time.sleep(1)


def measure(nodes: Nodes, used: int, readers: int, rate: float, posts: int) -> Measured:
    """Post at random moments to the used nodes in turn, and measure until the last reader has the last message."""
    with room(nodes, used, readers) as opened:
        meters = {
            "node": nodes.meters,
            "database": [nodes.postgres],
            "broker": [nodes.redis],
            "load": [each.meter for each in opened],
        }
        idle, _, _ = _usage(meters, lambda: time.sleep(IDLE_SECONDS))
        sent: dict[int, float] = {}
        reached: dict[int, float] = {}

        def work() -> None:
            sent.update(_post(nodes, used, rate, posts))
            reached.update({stamp: max(each.reached_all_at(stamp) for each in opened) for stamp in sent})

        usage, seconds, others = _usage(meters, work)
    each = {name: max(0.0, usage[name] - idle[name] * seconds / IDLE_SECONDS) / posts for name in meters}
    latencies = [reached[stamp] - sent[stamp] for stamp in sent]
    return Measured(used, readers, rate, **each, latencies=latencies, others=others)


def _post(nodes: Nodes, used: int, rate: float, posts: int) -> dict[int, float]:
    """Post at random moments, to one node after the other; returns the moment of each stamp."""
    signer = Signer(SECRET_KEY)
    cookie = f"simplechat-access={signer.access_token(SessionId(nodes.sessions[0]), datetime.now(UTC))}"
    chance, sent, threads = random.Random(1), {}, []
    moment = time.monotonic()
    for number in range(posts):
        host = f"{NETWORK}.{number % used + 11}"
        headers = (
            f"Origin: http://{host}:{PORT}\r\nHX-Request: true\r\nCookie: {cookie}\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
        )
        moment += chance.expovariate(rate)
        time.sleep(max(0.0, moment - time.monotonic()))
        stamp = next(STAMPS)
        body = urlencode({"body": stamp_text(stamp), "client_id": str(uuid4())}).encode()
        http = Http(PORT, headers, host)
        sent[stamp] = time.monotonic()
        threads.append(threading.Thread(target=http.post, args=("/rooms/1/messages", body)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return sent


def _usage(meters: dict[str, list[psutil.Process]], work: Callable[[], None]) -> tuple[dict[str, float], float, float]:
    """Do some work; return the CPU seconds of each kind, the work's seconds, and how many others wanted a core."""
    waiting: list[int] = []
    is_done = threading.Event()
    sampler = threading.Thread(target=_sample, args=(waiting, is_done))
    before, started = {name: sum(map(_cpu, each)) for name, each in meters.items()}, time.monotonic()
    sampler.start()
    work()
    seconds = time.monotonic() - started
    used = {name: sum(map(_cpu, each)) - before[name] for name, each in meters.items()}
    is_done.set()
    sampler.join()
    return used, seconds, max(0.0, statistics.mean(waiting) - sum(used.values()) / seconds)


def _sample(waiting: list[int], is_done: threading.Event) -> None:
    """Note at intervals how many other processes run or wait for a core."""
    while not is_done.wait(0.05):
        found = re.search(r"^procs_running (\d+)", Path("/proc/stat").read_text(), re.M)
        waiting.append(int(found[1]) - 1 if found else 0)


def _cpu(process: psutil.Process) -> float:
    """Return CPU seconds of a process and its children, to the nanosecond: few readers cost less than a tick."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        for thread in Path(f"/proc/{each.pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                total += int(thread.read_text().split()[0])
    return total / 1e9


def fit(runs: Sequence[Measured]) -> Costs:
    """Return the costs that runs of one node and of two show, each with few readers and with many."""
    small, large = (sorted({run.readers for run in runs})[index] for index in (0, -1))

    def mean(kind: str, *, readers: int = 0, nodes: int = 0) -> float:
        chosen = [run for run in runs if run.readers == (readers or run.readers) and run.nodes == (nodes or run.nodes)]
        return statistics.mean([float(getattr(run, kind)) for run in chosen])

    def slope(kind: str) -> float:
        return (mean(kind, readers=large) - mean(kind, readers=small)) / (large - small)

    reader, load = slope("node"), slope("load")
    hint = mean("node", nodes=2) - mean("node", nodes=1)
    broker_node = max(1e-6, mean("broker", nodes=2) - mean("broker", nodes=1))
    post = mean("node", nodes=1) - reader * statistics.mean([small, large])
    database = mean("database")
    # The quickest tenth had no process of others before them.
    quick = [sorted(run.latencies)[len(run.latencies) // 10] for run in runs if (run.nodes, run.readers) == (1, small)]
    return Costs(
        post=max(1e-4, post),
        hint=max(5e-5, hint),
        reader=reader,
        database=database,
        wait=max(0.0, min(quick) - post - database - (reader + load) * small),
        broker=max(1e-6, mean("broker", nodes=1) - broker_node),
        broker_node=broker_node,
        load=load,
    )
