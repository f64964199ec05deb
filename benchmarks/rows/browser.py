"""The cost of a busy room for the browser: 1,000 messages, 50 a second, in a page that is open."""

import asyncio
import statistics
import time
from contextlib import ExitStack
from uuid import uuid4

import httpx
import psutil

from benchmarks.chat import Chat
from benchmarks.measure import LOAD_CORE, SERVER_CORE, Line, cpu, pin, spread
from tests.support.browsers import Windows, find_browser, running_browser
from tests.support.databases import run as run_async

MESSAGES, A_SECOND = 1_000, 50
WATCH = """
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({ entryTypes: ["longtask"] });
"""


def run(repetitions: int) -> list[Line]:
    if find_browser(is_whole=True) is None:
        return [Line("browser", "not measured: no browser is installed", "", None)]
    shares, tasks, kept = [], [], 0
    with ExitStack() as stack:
        chat = Chat(people=2)
        stack.callback(chat.close)
        windows = Windows(stack.enter_context(running_browser(is_whole=True)))
        stack.callback(windows.close)
        pin(chat.meter(chat.servers[0]), SERVER_CORE)
        for _ in range(min(repetitions, 3)):
            page = windows.open_as(chat.administrator, "/rooms/1")
            page.wait_for_timeout(2000)
            page.evaluate(WATCH)
            browser = running_chromium()
            pin(browser, LOAD_CORE)
            before, began = cpu(browser), time.monotonic()
            run_async(_post(chat))
            page.wait_for_timeout(500)
            shares.append((cpu(browser) - before) / (time.monotonic() - began))
            tasks.append(page.evaluate("window.longest"))
            kept = page.locator("#messages > .message").count()
            page.close()
    return [
        Line(
            f"{MESSAGES:,} messages at {A_SECOND}/s in Chromium, all its processes, of a core",
            spread(shares),
            "≤ 0.5",
            statistics.median(shares) <= 0.5,
        ),
        Line("the longest task of the page meanwhile", spread(tasks, " ms"), "≤ 50 ms", statistics.median(tasks) <= 50),
        Line("messages the page keeps of them", str(kept), "", None),
    ]


def running_chromium() -> psutil.Process:
    """Return the browser's first process, whose children are all its others."""
    return next(each for each in psutil.Process().children(recursive=True) if "chrom" in each.name())


async def _post(chat: Chat) -> None:
    server = chat.servers[0]
    headers = {"Origin": server.url, "HX-Request": "true", "Cookie": chat.cookies(1)[0]}
    async with (
        httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client,
        asyncio.TaskGroup() as group,
    ):
        began = asyncio.get_running_loop().time()
        for number in range(MESSAGES):
            fields = {"body": f"message {number} of some forty characters, say", "client_id": str(uuid4())}
            await asyncio.sleep(max(0.0, began + number / A_SECOND - asyncio.get_running_loop().time()))
            group.create_task(client.post("/rooms/1/messages", data=fields))
