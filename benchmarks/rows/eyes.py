"""The time from Enter in one page until the message is painted in another person's page."""

import statistics
from contextlib import ExitStack

from playwright.sync_api import Page

from benchmarks.chat import Chat
from benchmarks.measure import LOAD_CORE, SERVER_CORE, Line, pin
from benchmarks.rows.browser import running_chromium
from benchmarks.rows.pages import fill
from tests.support.browsers import Windows, find_browser, running_browser, wait_until
from tests.support.people import sign_up

MESSAGES, HISTORY = 60, 50
MORE = 300  # messages of a busy day, in pages that stay open
PAUSE = 120  # milliseconds, in which both pages have shown a message
SETTLE = 300  # milliseconds after Enter until the pages are asked
# Both pages read the same clock. Enter counts from the moment at which the browser was given the key.
WATCH = """
    window.entered = {}, window.received = {}, window.shown = {}, window.painted = {};
    const now = () => performance.timeOrigin + performance.now();
    const textOf = (text) => /stamp-[\\w-]+/.exec(text)?.[0];
    addEventListener("keydown", (event) => {
        const stamp = textOf(event.target.value ?? "");
        if (event.key === "Enter" && stamp) window.entered[stamp] = performance.timeOrigin + event.timeStamp;
    }, true);
    window.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address);
            this.addEventListener("message", ({ data }) => { window.received[textOf(data)] ??= now(); });
        }
    };
    new MutationObserver(() => {
        const stamp = textOf(document.querySelector("#messages > .message:last-of-type .body")?.textContent ?? "");
        if (!stamp || window.shown[stamp]) return;
        window.shown[stamp] = now();
        requestAnimationFrame(() => setTimeout(() => { window.painted[stamp] = now(); }));
    }).observe(document, { childList: true, subtree: true });
"""


def run(repetitions: int) -> list[Line]:
    if find_browser(is_whole=True) is None:
        return [Line("Enter until seen by the other", "not measured: no browser is installed", "", None)]
    times, later = _none(), _none()
    with ExitStack() as stack:
        chat = Chat(people=2)
        stack.callback(chat.close)
        fill(chat, 1, HISTORY)
        windows = Windows(stack.enter_context(running_browser(is_whole=True)))
        stack.callback(windows.close)
        pin(chat.meter(chat.servers[0]), SERVER_CORE)
        other = sign_up(chat.servers[0], "Bob Brown")
        other.join(1)
        writing, reading = (windows.open_as(person, "/rooms/1") for person in (chat.administrator, other))
        for page in (writing, reading):
            page.add_init_script(WATCH)
            page.reload()
        pin(running_chromium(), LOAD_CORE)
        writing.wait_for_timeout(5000)
        for number in range(min(repetitions, 3) * MESSAGES):
            _send(writing, reading, f"stamp-{number} some words that a person says", times)
        for number in range(MORE):
            chat.administrator.post(1, f"message {number}")
            writing.wait_for_timeout(PAUSE)
        for number in range(MESSAGES // 2):
            _send(writing, reading, f"stamp-later-{number} some words that a person says", later)
    return [
        _line("Enter in Chromium until the other page's socket has the message", times["received"]),
        _line("Enter in Chromium until the other page has the message", times["shown"]),
        _line("Enter in Chromium until the other person sees the message", times["painted"], goal=30),
        _line(f"… in pages that stayed open for {MORE} messages more", later["painted"], goal=30),
    ]


def _none() -> dict[str, list[float]]:
    return {"received": [], "shown": [], "painted": []}


def _send(writing: Page, reading: Page, text: str, times: dict[str, list[float]]) -> None:
    stamp = text.split(maxsplit=1)[0]
    writing.bring_to_front()
    writing.locator("#body").press_sequentially(text)
    writing.keyboard.press("Enter")
    writing.wait_for_timeout(SETTLE)
    wait_until(lambda: bool(reading.evaluate(f"window.painted['{stamp}']")), reading)
    entered = writing.evaluate(f"window.entered['{stamp}']")
    for moment, found in times.items():
        found.append(reading.evaluate(f"window.{moment}['{stamp}']") - entered)


def _line(work: str, times: list[float], goal: int = 0) -> Line:
    middle, late = statistics.median(times), statistics.quantiles(times, n=100, method="inclusive")[98]
    figure = f"p50 {middle:.1f} ms, p99 {late:.1f} ms"
    return Line(work, figure, f"p50 ≤ {goal} ms" if goal else "", middle <= goal if goal else None)
