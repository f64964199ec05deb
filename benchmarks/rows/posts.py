"""The cost of posting: 1,000 posts by HTTP into 50 rooms, against pgbench's single-row insert and commit."""

import asyncio
import re
import statistics
import subprocess
import time
from contextlib import ExitStack
from uuid import uuid4

from benchmarks.chat import Chat
from benchmarks.measure import Line, cpu, spread
from chat.database.embedded import BINARIES
from tests.support.databases import execute
from tests.support.databases import run as wait_for

POSTS, ROOMS, AT_ONCE = 1000, 50, 100


def run(repetitions: int) -> list[Line]:
    costs, rates, alone, ratios, references = [], [], [], [], []
    with ExitStack() as stack:
        chat = Chat(people=10, rooms=ROOMS)
        stack.callback(chat.close)
        meter = chat.meter(chat.servers[0])
        wait_for(execute(chat.postgres.url, "CREATE TABLE bench (id bigserial PRIMARY KEY, room bigint, body text)"))
        asyncio.run(_posts(chat, 200, AT_ONCE))
        for _ in range(repetitions):
            before, began = cpu(meter), time.monotonic()
            asyncio.run(_posts(chat, POSTS, AT_ONCE))
            rates.append(POSTS / (time.monotonic() - began))
            costs.append(1e3 * (cpu(meter) - before) / POSTS)
            began = time.monotonic()
            asyncio.run(_posts(chat, 100, 1))
            alone.append(1e3 * (time.monotonic() - began) / 100)
            references.append(_pgbench(chat))
            ratios.append(rates[-1] / references[-1])
    return [
        Line(
            f"{POSTS:,} posts into {ROOMS} rooms, CPU each",
            spread(costs, " ms"),
            "≤ 0.6 ms",
            statistics.median(costs) <= 0.6,
        ),
        Line("posts a second, durable", spread(rates), "", None),
        Line("pgbench, insert and commit, 8 clients, a second", spread(references), "", None),
        Line("posts, against pgbench", f"× {spread(ratios)}", "≥ 0.4", statistics.median(ratios) >= 0.4),
        Line("a lone post, from request to answer", spread(alone, " ms"), "", None),
    ]


async def _posts(chat: Chat, count: int, at_once: int) -> None:
    """Post over a number of connections, with clients as light as they can be."""
    server, cookie = chat.servers[0], chat.cookies(1)[0]
    waiting = [number % ROOMS + 1 for number in range(count)]

    async def author() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while waiting:
            body = f"body=A+message+of+some+forty+characters,+say&client_id={uuid4()}".encode()
            head = (
                f"POST /rooms/{waiting.pop()}/messages HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                f"Origin: {server.url}\r\nHX-Request: true\r\nCookie: {cookie}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            length = re.findall(rb"content-length: (\d+)", answer, re.IGNORECASE)[0]
            await reader.readexactly(int(length))
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(author())


def _pgbench(chat: Chat) -> float:
    """Return pgbench's transactions a second."""
    script = chat.postgres.folder / "insert.sql"
    script.write_text("INSERT INTO bench (room, body) VALUES (1, 'A message of some forty characters, say');\n")
    command = [str(BINARIES / "pgbench"), "-n", "-M", "prepared", "-c", "8", "-j", "1", "-T", "3", "-f", str(script)]
    done = subprocess.run([*command, chat.postgres.url], capture_output=True, text=True, check=True)
    return float(re.findall(r"tps = ([\d.]+)", done.stdout)[0])
