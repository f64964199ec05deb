"""Switching rooms in Chromium, against loading the other room's page as a whole, in turns."""

import itertools
import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypedDict

import psutil
from playwright.sync_api import Page

from benchmarks.chat import Chat
from benchmarks.measure import LOAD_CORE, SERVER_CORE, Line, cpu, pin, spread
from benchmarks.rows.browser import running_chromium
from benchmarks.rows.pages import fill
from tests.support.browsers import Windows, find_browser, running_browser

ROOMS, MESSAGES, SWITCHES = 6, 50, 12
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
            requestAnimationFrame(() => setTimeout(() => sessionStorage.setItem("painted", now() - at)));
        }
        requestAnimationFrame(look);
    }
    requestAnimationFrame(look);
"""

CANNOT_SWITCH = "Object.defineProperty(window, 'navigation', { value: undefined })"


class Received(TypedDict):
    """What the browser says of a request that has ended."""

    encodedDataLength: float


@dataclass
class Costs:
    """What switches cost: milliseconds from click to painted, bytes received, milliseconds of the server's CPU."""

    times: list[float] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def run(repetitions: int) -> list[Line]:
    if find_browser() is None:
        return [Line("switching", "not measured: no browser is installed", "", None)]
    parts, wholes = Costs(), Costs()
    with ExitStack() as stack:
        chat = Chat(people=20, rooms=ROOMS)
        stack.callback(chat.close)
        for room in range(1, ROOMS + 1):
            fill(chat, room, MESSAGES)
        windows = Windows(stack.enter_context(running_browser()))
        stack.callback(windows.close)
        server = chat.meter(chat.servers[0])
        pin(server, SERVER_CORE)
        pin(running_chromium(), LOAD_CORE)
        for _ in range(repetitions):
            _measure(windows, chat, server, parts)
            _measure(windows, chat, server, wholes, is_whole=True)
    return [
        Line("switching rooms, click to painted: a whole page", spread(wholes.times, " ms"), "", None),
        Line("switching rooms, click to painted: the part that differs", spread(parts.times, " ms"), "", None),
        _ratio("time", parts.times, wholes.times, 1 / 4),
        _ratio("bytes", parts.bytes, wholes.bytes, 1 / 3),
        _ratio("CPU of the server", parts.cpu, wholes.cpu, 1 / 3),
    ]


def _ratio(what: str, parts: list[float], wholes: list[float], goal: float) -> Line:
    ratio = statistics.median(parts) / statistics.median(wholes)
    return Line(f"switching rooms, {what}, against a whole page", f"× {ratio:.3g}", f"≤ {goal:.2g}", ratio <= goal)


def _measure(windows: Windows, chat: Chat, server: psutil.Process, costs: Costs, *, is_whole: bool = False) -> None:
    page = windows.open_as(chat.administrator, "/rooms/1")
    if is_whole:
        page.add_init_script(CANNOT_SWITCH)
    page.add_init_script(WATCH)
    page.reload()
    network, received = page.context.new_cdp_session(page), [0.0]

    def note(end: Received) -> None:
        received[0] += end["encodedDataLength"]

    network.on("Network.loadingFinished", note)
    network.send("Network.enable")
    page.mouse.move(700, 300)
    page.wait_for_timeout(1000)
    before = cpu(server)
    for room in itertools.islice(itertools.cycle(range(2, ROOMS + 1)), SWITCHES):
        costs.times.append(_switch(page, room))
    costs.bytes.append(received[0] / SWITCHES)
    costs.cpu.append(1000 * (cpu(server) - before) / SWITCHES)
    page.close()


def _switch(page: Page, room: int) -> float:
    page.evaluate("sessionStorage.removeItem('painted')")
    page.hover(f"#sidebar a[data-room='{room}']")
    page.wait_for_timeout(HOVER)
    page.mouse.down()
    page.mouse.up()
    # A page that is just going away does not answer.
    page.wait_for_timeout(SETTLE)
    assert page.evaluate("location.pathname") == f"/rooms/{room}"
    return float(page.evaluate("sessionStorage.getItem('painted')"))
