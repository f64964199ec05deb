"""Switching rooms in Chromium, against loading the other room's page as a whole, in turns."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypedDict

from playwright.sync_api import Page

from benchmarks.chat import Chat
from benchmarks.measure import LOAD_CORE, SERVER_CORE, Line, cpu, pin, spread
from benchmarks.rows.browser import running_chromium
from benchmarks.rows.pages import fill
from tests.support.browsers import Windows, find_browser, running_browser, wait_until

ROOMS, MESSAGES = 6, 50
HOVER = 250  # milliseconds between a pointer's coming to a link and its click, as of a person
SETTLE = 1500  # milliseconds after a click until its figure is read
# From the click until a frame with the other room's last message has been painted.
WATCH = """
    const now = () => performance.timeOrigin + performance.now();
    addEventListener("click", ({ target }) => {
        const link = target.closest("#sidebar a[data-room]");
        if (link) sessionStorage.setItem("clicked", JSON.stringify([link.dataset.room, now()]));
    }, true);
    function look() {
        const [room, at] = JSON.parse(sessionStorage.getItem("clicked") ?? "[0, 0]");
        const isShown = document.querySelector(`#room-news[data-room="${room}"]`);
        if (isShown && document.querySelector("#messages > .message")) {
            sessionStorage.removeItem("clicked");
            // This runs at the beginning of the frame that paints the room, and the timer at its end.
            setTimeout(() => sessionStorage.setItem("painted", now() - at));
        }
        requestAnimationFrame(look);
    }
    requestAnimationFrame(look);
"""

CANNOT_SWITCH = "Object.defineProperty(window, 'navigation', { value: undefined });"


class Received(TypedDict):
    """The fields that are used of the browser's report of a finished request."""

    encodedDataLength: float


@dataclass
class Costs:
    """Costs of switches: milliseconds from click to painted, bytes received, milliseconds of the server's CPU."""

    times: list[float] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def run(repetitions: int) -> list[Line]:
    if find_browser(is_whole=True) is None:
        return [Line("switching", "not measured: no browser is installed", "", None)]
    firsts, agains, wholes = Costs(), Costs(), Costs()
    with ExitStack() as stack:
        chat = Chat(people=20, rooms=ROOMS)
        stack.callback(chat.close)
        for room in range(1, ROOMS + 1):
            fill(chat, room, MESSAGES)
            # Its messages are rendered once, for the first reader.
            chat.administrator.get(f"/rooms/{room}")
            # As most rooms that people go to, they hold little that is new.
            chat.administrator.submit(f"/rooms/{room}/read", {"position": MESSAGES})
        windows = Windows(stack.enter_context(running_browser(is_whole=True)))
        stack.callback(windows.close)
        pin(chat.meter(chat.servers[0]), SERVER_CORE)
        pin(running_chromium(), LOAD_CORE)
        for _ in range(repetitions):
            page = _open(windows, chat)
            _measure(page, chat, firsts, range(2, ROOMS + 1))
            _measure(page, chat, agains, [*range(1, ROOMS + 1)] * 2)
            page.close()
            page = _open(windows, chat, CANNOT_SWITCH)
            _measure(page, chat, wholes, [*range(2, ROOMS + 1)] * 2)
            page.close()
    work = "switching rooms, click to painted"
    return [
        Line(f"{work}: a whole page", spread(wholes.times, " ms"), "", None),
        Line(f"{work}: a room for the first time", spread(firsts.times, " ms"), "", None),
        Line(f"{work}: a room seen before", spread(agains.times, " ms"), "", None),
        *_ratios("for the first time", firsts, wholes, has_goal=False),
        *_ratios("seen before", agains, wholes, has_goal=True),
        *_ratios("of six, three times each", _together(firsts, agains), wholes, has_goal=True),
    ]


def _together(*several: Costs) -> Costs:
    """Return the costs of all these switches, each of which counts the same."""
    times = [time for costs in several for time in costs.times]
    received = sum(statistics.mean(costs.bytes) * len(costs.times) for costs in several)
    used = sum(statistics.mean(costs.cpu) * len(costs.times) for costs in several)
    return Costs(times, [received / len(times)], [used / len(times)])


def _ratios(room: str, parts: Costs, wholes: Costs, *, has_goal: bool) -> list[Line]:
    lines = []
    for what, goal in (("times", 1 / 4), ("bytes", 1 / 3), ("cpu", 1 / 3)):
        ratio = statistics.median(getattr(parts, what)) / statistics.median(getattr(wholes, what))
        name = {"times": "time", "bytes": "bytes", "cpu": "CPU of the server"}[what]
        reached = (f"≤ {goal:.2g}", ratio <= goal) if has_goal else ("", None)
        lines.append(Line(f"a room {room}, {name}, against a whole page", f"× {ratio:.3g}", *reached))
    return lines


def _open(windows: Windows, chat: Chat, script: str = "") -> Page:
    """Open a page and wait until its connection is live."""
    page = windows.open_as(chat.administrator, "/rooms/1")
    page.add_init_script(script + WATCH)
    page.reload()
    page.mouse.move(700, 300)
    page.wait_for_timeout(12_000)  # notices of the last ten seconds are repeated
    return page


def _measure(page: Page, chat: Chat, costs: Costs, rooms: Sequence[int]) -> None:
    server = chat.meter(chat.servers[0])
    network, received = page.context.new_cdp_session(page), [0.0]

    def note(end: Received) -> None:
        received[0] += end["encodedDataLength"]

    network.on("Network.loadingFinished", note)
    network.send("Network.enable")
    before = cpu(server)
    page.wait_for_timeout(len(rooms) * (HOVER + SETTLE))
    idle = cpu(server) - before
    before = cpu(server)
    costs.times.extend(_switch(page, room) for room in rooms)
    costs.bytes.append(received[0] / len(rooms))
    costs.cpu.append(1000 * max(0.0, cpu(server) - before - idle) / len(rooms))


def _switch(page: Page, room: int) -> float:
    page.evaluate("sessionStorage.removeItem('painted')")
    page.hover(f"#sidebar a[data-room='{room}']")
    page.wait_for_timeout(HOVER)
    page.mouse.down()
    page.mouse.up()
    # A page that is just going away does not answer, and a busy machine takes longer.
    page.wait_for_timeout(SETTLE)
    page.wait_for_url(f"**/rooms/{room}")
    wait_until(lambda: bool(page.evaluate("sessionStorage.getItem('painted')")), page)
    return float(page.evaluate("sessionStorage.getItem('painted')"))
