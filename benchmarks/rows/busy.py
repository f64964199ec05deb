"""A room in which messages come back to back: how soon 300 readers have each, and what that costs the process."""

import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue

import httpx

from benchmarks.chat import Author, Chat
from benchmarks.measure import SERVER_CORE, Line, Readers, cpu, handshake, pin, spread, stamp_text
from tests.support.server import ChatServer

READERS, MESSAGES, A_SECOND, SECONDS, AUTHORS = 300, 100, 50, 3, 8
TEXT = " a message of some forty characters, say"
# Before, a room that was busy for a while got a frame every tenth of a second, whatever else the process had to do.
CLOCKS = {
    "simplechat": "",
    "a fixed clock, 10 frames a second": "import chat.live.pace as pace; pace.SHORTEST = pace.LONGEST = 0.1; ",
}


@dataclass
class _Clock:
    """A server with a way to gather messages, and what was measured."""

    name: str
    server: ChatServer
    latency: dict[str, list[float]] = field(default_factory=dict)  # milliseconds
    cost: dict[str, list[float]] = field(default_factory=dict)  # CPU milliseconds a message


def run(repetitions: int) -> list[Line]:
    stamps = iter(range(1, 1_000_000))
    with ExitStack() as stack:
        chat = Chat(people=READERS + 1, broker=False)
        stack.callback(chat.close)
        chat.servers[0].kill()
        clocks = []
        for name, change in CLOCKS.items():
            server = ChatServer(chat.postgres.url)
            server.command = ["-c", f"{change}from chat.__main__ import main; main(['serve'])"]
            stack.callback(server.remove)
            clocks.append(_Clock(name, server))
        for _ in range(repetitions):
            for clock in clocks:
                _measure(chat, clock, stamps.__next__)
    return _lines(*clocks)


def _measure(chat: Chat, clock: _Clock, stamp: Callable[[], int]) -> None:
    server = clock.server
    server.start()
    meter = chat.meter(server)
    pin(meter, SERVER_CORE)
    readers = Readers(server.port, READERS, _handshakes(chat, server))
    for work, post in (
        ("each as soon as the last reader has the one before", _in_turn),
        (f"{A_SECOND} a second for {SECONDS} seconds", _at_a_rate),
    ):
        time.sleep(10)  # the room is ahead of its frames no more
        before = cpu(meter)
        seconds = post(chat, server, readers, stamp)
        clock.latency.setdefault(work, []).extend(1e3 * each for each in seconds)
        clock.cost.setdefault(work, []).append(1e3 * (cpu(meter) - before) / len(seconds))
    readers.close()
    server.kill()


def _handshakes(chat: Chat, server: ChatServer) -> list[str]:
    page = httpx.get(f"{server.url}/rooms/1", headers={"Cookie": chat.cookie(0)}).text
    after, epoch = (re.findall(rf'data-{name}="([0-9a-f-]+)"', page)[0] for name in ("revision", "epoch"))
    path = f"/rooms/1/live?after={after}&epoch={epoch}"
    return [handshake(server.port, path, cookie) for cookie in chat.cookies(READERS)]


def _in_turn(chat: Chat, server: ChatServer, readers: Readers, stamp: Callable[[], int]) -> list[float]:
    author, seconds = Author(chat, server), []
    for _ in range(MESSAGES):
        number, began = stamp(), time.monotonic()
        author.post(stamp_text(number) + TEXT)
        seconds.append(readers.reached_all_at(number) - began)
    return seconds


def _at_a_rate(chat: Chat, server: ChatServer, readers: Readers, stamp: Callable[[], int]) -> list[float]:
    free: SimpleQueue[Author] = SimpleQueue()
    for _ in range(AUTHORS):
        free.put(Author(chat, server))

    def post(number: int) -> None:
        author = free.get()
        author.post(stamp_text(number) + TEXT)
        free.put(author)

    began: dict[int, float] = {}
    with ThreadPoolExecutor(AUTHORS) as pool:
        start = time.monotonic()
        for turn in range(SECONDS * A_SECOND):
            time.sleep(max(0.0, start + turn / A_SECOND - time.monotonic()))
            number = stamp()
            began[number] = time.monotonic()
            pool.submit(post, number)
    return [readers.reached_all_at(number) - began[number] for number in began]


def _lines(ours: _Clock, fixed: _Clock) -> list[Line]:
    lines = []
    for work in ours.cost:
        for clock in (ours, fixed):
            p50, p99 = statistics.median(clock.latency[work]), statistics.quantiles(clock.latency[work], n=100)[98]
            has_goal = clock is ours
            lines.append(
                Line(
                    f"busy room of {READERS}, {work}, post to last: {clock.name}",
                    f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
                    "≤ 25, ≤ 100 ms" if has_goal else "",
                    p50 <= 25 and p99 <= 100 if has_goal else None,
                )
            )
        ratios = [mine / theirs for mine, theirs in zip(ours.cost[work], fixed.cost[work], strict=True)]
        is_kept = statistics.median(ratios) <= 1
        lines.append(Line(f"… CPU a message, against {fixed.name}", f"× {spread(ratios)}", "≤ 1", is_kept))
    return lines
