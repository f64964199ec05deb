"""Room pages of 50 messages, against nginx with a file of the same size, and as a chat grows."""

import re
import statistics
import subprocess
from contextlib import ExitStack

import httpx
import psutil

from benchmarks.chat import Chat
from benchmarks.measure import LOAD_CORE, Line, cpu, pin, spread
from benchmarks.nginx import nginx
from benchmarks.programs import NotHere, found
from tests.support.databases import execute
from tests.support.databases import run as wait_for

FILL = """
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT {room}, 1, gen_random_uuid(), 'message ' || n || ' of some forty characters, say',
        '<p>message ' || n || ' of some forty characters, say</p>', false, false, n, n, n,
        now() - (interval '1 second' * ({count} - n))
    FROM generate_series((SELECT message_count FROM rooms WHERE id = {room}) + 1, {count}) AS n;
    UPDATE rooms SET message_count = {count}, revision = {count} WHERE id = {room};
"""
MEMBER_EVERYWHERE = """
    INSERT INTO memberships (room_id, user_id, role) SELECT id, 1, 'member' FROM rooms ON CONFLICT DO NOTHING
"""


def run(repetitions: int) -> list[Line]:
    with ExitStack() as stack:
        chat = Chat(people=50, rooms=10)
        stack.callback(chat.close)
        fill(chat, 1, 1_000)
        cookie = chat.cookies(1)[0]
        page = f"{chat.servers[0].url}/rooms/1"
        html = httpx.get(page, headers={"Cookie": cookie}).text
        rates, ratios, costs, firsts, flat = [], [], [], [], []
        try:
            reference = f"{nginx({'page.html': html.encode()}, stack).url}/page.html"
            wrk = found("wrk")
        except NotHere as missing:
            return [Line("room pages", f"not measured: {missing}", "", None)]
        meter = chat.meter(chat.servers[0])
        for _ in range(repetitions):
            before = cpu(meter)
            rate, _, count = _wrk(wrk, page, cookie, 8)
            rates.append(rate)
            costs.append((cpu(meter) - before) / count)
            ratios.append(_wrk(wrk, reference, cookie, 8)[0] / rate)
            firsts.append(_wrk(wrk, page, cookie, 2)[1])
        fill(chat, 1, 1_000_000)
        wait_for(
            execute(
                chat.postgres.url,
                "INSERT INTO rooms (kind, name) SELECT 'open', 'More ' || n FROM generate_series(1, 990) n",
            )
        )
        wait_for(
            execute(
                chat.postgres.url,
                MEMBER_EVERYWHERE,
            )
        )
        wait_for(execute(chat.postgres.url, "VACUUM ANALYZE"))
        someone = chat.cookies(2)[1]
        few = _cost(wrk, page, someone, meter)
        for _ in range(repetitions):
            flat.append(_cost(wrk, page, someone, meter) / statistics.median(costs))
        many = _cost(wrk, page, cookie, meter)
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
        Line(
            "room page, 1,000,000 messages against 1,000", f"× {spread(flat)}", "≤ 1.1", statistics.median(flat) <= 1.1
        ),
        Line("room page of somebody in 1,000 rooms, against 1", f"× {many / few:.3g}", "", None),
    ]


def fill(chat: Chat, room: int, count: int) -> None:
    for statement in FILL.format(room=room, count=count).split(";\n")[:2]:
        wait_for(execute(chat.postgres.url, statement))


def _cost(wrk: str, url: str, cookie: str, meter: psutil.Process) -> float:
    before = cpu(meter)
    _, _, count = _wrk(wrk, url, cookie, 8)
    return (cpu(meter) - before) / count


def _wrk(wrk: str, url: str, cookie: str, connections: int) -> tuple[float, float, int]:
    """Return pages a second, the 99th percentile in milliseconds, and the number of pages."""
    command = [wrk, "-t1", f"-c{connections}", "-d3", "--latency", "-H", f"Cookie: {cookie}", url]
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
