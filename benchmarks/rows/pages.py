"""Room pages of 50 messages, against nginx with a file of the same size, and as a chat grows."""

import re
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import httpx
import psutil

from benchmarks.chat import Chat
from benchmarks.measure import LOAD_CORE, Line, cpu, pin, spread
from benchmarks.nginx import nginx
from benchmarks.programs import NotHere, found
from tests.support.databases import execute
from tests.support.databases import run as wait_for

# Search counts as up to date: otherwise the chat would index a million messages during what is measured.
FILL = """
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT {room}, 1, gen_random_uuid(), 'message ' || n || ' of some forty characters, say',
        '<p>message ' || n || ' of some forty characters, say</p>', false, false, n, n, n,
        now() - (interval '1 second' * ({count} - n))
    FROM generate_series((SELECT message_count FROM rooms WHERE id = {room}) + 1, {count}) AS n;
    UPDATE rooms SET message_count = {count}, revision = {count} WHERE id = {room};
    INSERT INTO search_progress (room_id, revision) VALUES ({room}, {count})
    ON CONFLICT (room_id) DO UPDATE SET revision = excluded.revision;
"""
# Each of these people is in so many rooms, the lobby included.
MEMBER_OF_MANY = """
    INSERT INTO memberships (room_id, user_id, role)
    SELECT rooms.id, sessions.user_id, 'member'
    FROM unnest($1::int[], $2::int[]) AS wanted (session_id, size), sessions, rooms
    WHERE sessions.id = session_id AND rooms.id <= size ON CONFLICT DO NOTHING
"""
FEW, MANY = 1_000, 1_000_000
ROOMS = (1, 50, 1_000)  # a page lists fifty, and the database sorts all
# On a machine with other work the ratio of two seconds differs by a fifth, and the median of so many by a twentieth.
ROUNDS = 16


class Cost(NamedTuple):
    """The CPU seconds of a page."""

    server: float
    database: float


def run(repetitions: int) -> list[Line]:
    try:
        wrk = found("wrk")
        with ExitStack() as stack:
            chat = _chat(stack, messages=FEW)
            lines = _pages(wrk, chat, stack, repetitions)
            lines.append(_by_messages(wrk, [chat, _chat(stack, messages=MANY)]))
        with ExitStack() as stack:
            return [*lines, *_by_rooms(wrk, _chat(stack, messages=FEW, rooms=ROOMS[-1]))]
    except NotHere as missing:
        return [Line("room pages", f"not measured: {missing}", "", None)]


def _chat(stack: ExitStack, messages: int, rooms: int = 10) -> Chat:
    chat = Chat(people=50, rooms=rooms)
    stack.callback(chat.close)
    fill(chat, 1, messages)
    return chat


def _pages(wrk: str, chat: Chat, stack: ExitStack, repetitions: int) -> list[Line]:
    cookie, page = chat.cookie(0), f"{chat.servers[0].url}/rooms/1"
    html = httpx.get(page, headers={"Cookie": cookie}).text
    reference = f"{nginx({'page.html': html.encode()}, stack).url}/page.html"
    rates, ratios, costs, firsts = [], [], [], []
    meter = chat.meter(chat.servers[0])
    for _ in range(repetitions):
        before = cpu(meter)
        rate, _, count = _wrk(wrk, page, cookie, 8)
        rates.append(rate)
        costs.append((cpu(meter) - before) / count)
        ratios.append(_wrk(wrk, reference, cookie, 8)[0] / rate)
        firsts.append(_wrk(wrk, page, cookie, 2)[1])
    per_core = [1 / cost for cost in costs]
    return [
        Line(
            "room pages a second and core, 50 messages",
            spread(per_core),
            "≥ 1,500",
            statistics.median(per_core) >= 1500,
        ),
        Line("room page at a low load, p99", spread(firsts, " ms"), "< 20 ms", statistics.median(firsts) < 20),
        Line("nginx, a file of the same size, times as many", f"× {spread(ratios)}", "", None),
    ]


def _by_messages(wrk: str, chats: Sequence[Chat]) -> Line:
    few, many = _costs(wrk, [(chat, 1) for chat in chats])
    ratios = [sum(after) / sum(before) for before, after in zip(few, many, strict=True)]
    goal = statistics.median(ratios) <= 1.1
    return Line("room page, 1,000,000 messages against 1,000", f"× {spread(ratios)}", "≤ 1.1", goal)


def _by_rooms(wrk: str, chat: Chat) -> list[Line]:
    people = range(1, 1 + len(ROOMS))
    sessions = [chat.sessions[person] for person in people]
    wait_for(execute(chat.postgres.url, MEMBER_OF_MANY, sessions, list(ROOMS)))
    one, some, many = _costs(wrk, [(chat, person) for person in people])
    of_one = [most.server / least.server for least, most in zip(one, many, strict=True)]
    of_some = [most.server / less.server for less, most in zip(some, many, strict=True)]
    further = [most.database - less.database for less, most in zip(some, many, strict=True)]
    each = [1e6 * cost / (ROOMS[2] - ROOMS[1]) for cost in further]
    return [
        Line("room page of somebody in 1,000 rooms, against 1", f"× {spread(of_one)}", "", None),
        Line("room page of somebody in 1,000 rooms, against 50", f"× {spread(of_some)}", "", None),
        Line("each room of theirs beyond 50, PostgreSQL", spread(each, " µs"), "", None),
    ]


def fill(chat: Chat, room: int, count: int) -> None:
    """Give a room so many messages."""
    wait_for(execute(chat.postgres.url, FILL.format(room=room, count=count)))


def _costs(wrk: str, cases: Sequence[tuple[Chat, int]]) -> list[list[Cost]]:
    """Return what the page of each chat and person costs, in turns."""
    for chat in {chat for chat, _ in cases}:
        wait_for(execute(chat.postgres.url, "VACUUM ANALYZE"))
        wait_for(execute(chat.postgres.url, "CHECKPOINT"))
    costs: list[list[Cost]] = [[] for _ in cases]
    for _ in range(ROUNDS):
        for (chat, person), noted in zip(cases, costs, strict=True):
            noted.append(_cost(wrk, chat, person))
    return costs


def _cost(wrk: str, chat: Chat, person: int) -> Cost:
    server, database = chat.meter(chat.servers[0]), chat.postgres.processes()[0]
    before = cpu(server), cpu(database)
    _, _, count = _wrk(wrk, f"{chat.servers[0].url}/rooms/1", chat.cookie(person), 8, seconds=1)
    return Cost((cpu(server) - before[0]) / count, (cpu(database) - before[1]) / count)


def _wrk(wrk: str, url: str, cookie: str, connections: int, seconds: int = 3) -> tuple[float, float, int]:
    """Return pages a second, the 99th percentile in milliseconds, and the number of pages."""
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H", f"Cookie: {cookie}", url]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pin(psutil.Process(done.pid), LOAD_CORE)
    text = done.communicate()[0]
    if "Non-2xx" in text:
        raise RuntimeError(text)
    number, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", text)[0]
    count = int(re.findall(r"(\d+) requests in", text)[0])
    return (
        float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0]),
        float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
        count,
    )
