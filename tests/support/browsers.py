"""Chromium, and pages that fail their test on anything in the browser's console."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    StorageState,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.support.people import Person
from tests.support.server import ChatServer
from tests.support.sessions import open_session

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Any process may be slow for a moment where many run.
expect.set_options(timeout=15_000)

AXE = (Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js").read_text()
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
TABLET: ViewportSize = {"width": 768, "height": 1024}
PHONE: ViewportSize = {"width": 360, "height": 740}

# Chromium logs these for a page that is left at once. They are harmless.
LEFT_AT_ONCE = (
    "WebSocket is closed before the connection is established",
    "Transition was aborted",
    "Transition was skipped",
)
# A page that loses its server says so on the console; tests that take it away expect that.
LOST_SERVER = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "WebSocket connection to",
    "ERR_INTERNET_DISCONNECTED",
    "Failed to fetch",
    "htmx:error",
    "htmx:ws:error",
    "ERR_EMPTY_RESPONSE",
    "ERR_CONTENT_LENGTH_MISMATCH",
    "ERR_FAILED",
)


# Chromium without windows, menus and tabs of its own: a page of it takes less than half the CPU time.
SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
WHOLE = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser(*, is_whole: bool = False) -> str | None:
    """Return the shell of Chromium, else Chromium or Chrome, on PATH or Playwright's own; None when there is none.

    A browser that must be whole is no shell.
    """
    home = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    kinds: list[tuple[tuple[str, ...], str]] = [(WHOLE, "chromium-*/chrome-linux*/chrome")]
    if not is_whole:
        kinds.insert(0, (SHELLS, "chromium_headless_shell-*/chrome-*/*headless*shell"))
    for names, playwrights_own in kinds:
        on_path = filter(None, map(shutil.which, names))
        found = [*on_path, *sorted(map(str, home.glob(playwrights_own)), reverse=True)]
        if found:
            return found[0]
    return None


ColorScheme = Literal["dark", "light"]
IN_BAR = {"Add a reaction", "Reply"}


class Options(TypedDict, total=False):
    """Options of a window; the names are Playwright's."""

    color_scheme: ColorScheme
    device_scale_factor: float
    has_touch: bool
    is_mobile: bool
    java_script_enabled: bool
    locale: str
    reduced_motion: Literal["reduce"]
    storage_state: StorageState
    timezone_id: str
    viewport: ViewportSize


class Windows:
    """Opens browser windows of different people, and gathers their errors."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(self, expected: Sequence[str] = (), **options: Unpack[Options]) -> Page:
        """A window of its own: cookies, storage and cache are not shared."""
        options.setdefault("viewport", DESKTOP)
        options.setdefault("locale", "en-GB")
        context = self._browser.new_context(**options)
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " event => console.error('CSP violation: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )

        def console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not any(
                known in message.text for known in (*LEFT_AT_ONCE, *expected)
            ):
                self.complaints.append(f"{message.type}: {message.text}")

        def page_error(error: Error) -> None:
            if not any(known in str(error) for known in LEFT_AT_ONCE):
                self.complaints.append(f"uncaught: {error}")

        page = context.new_page()
        page.on("console", console)
        page.on("pageerror", page_error)
        return page

    def open_as(
        self,
        person: Person,
        path: str = "/list",
        url: str = "",
        is_behind: bool = False,
        expected: Sequence[str] = (),
        **options: Unpack[Options],
    ) -> Page:
        """A window in which a member has signed in, on a page.

        `url` is another way to their server; a window that is behind others believes so from the beginning.
        """
        page = self.open(expected, **options)
        if is_behind:
            page.add_init_script("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        url = url or person.server.url
        user_agent: str = page.evaluate("navigator.userAgent")
        for name, value in open_session(person, user_agent).items():
            page.context.add_cookies([{"name": name, "value": value, "url": url, "httpOnly": True, "sameSite": "Lax"}])
        page.goto(f"{url}{path}")
        if options.get("java_script_enabled", True):
            wait_until_live(page)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


# What a server answers to a text that it does not post over the socket.
LEAVE_TO_FORMS = """() => {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
        const [word, number] = text.split(" ");
        if (word !== "post") return send.call(this, text);
        this.dispatchEvent(new MessageEvent("message", { data: `unposted ${number}` }));
    };
}"""


def post_by_forms(page: Page) -> None:
    """Let a page, also after it is loaded again, post by requests alone, as texts go that are not posted at once."""
    page.evaluate(LEAVE_TO_FORMS)
    page.add_init_script(f"({LEAVE_TO_FORMS})()")


@contextmanager
def running_browser(*, is_whole: bool = False) -> Iterator[Browser]:
    """A headless browser."""
    executable = find_browser(is_whole=is_whole)
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no browser: install chromium")
        pytest.skip("no browser found")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


AXE_TAGS = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
AXE_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}

# The whole result of axe is large: handing it on costs half as much time as the search.
FIND_VIOLATIONS = """async (rules) => {
    const { violations } = await axe.run(document, { runOnly: rules, resultTypes: ["violations"] });
    const line = (id, node) => `${id}: ${node.html.slice(0, 160)} (${(node.failureSummary ?? "").slice(0, 200)})`;
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => line(id, node)));
}"""


def accessibility_violations(page: Page, *, only_colours: bool = False) -> list[str]:
    """The violations of WCAG 2.2 A and AA that axe finds on a page, a line each."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    rules = AXE_COLOURS if only_colours else AXE_TAGS
    violations: list[str] = page.evaluate(FIND_VIOLATIONS, rules)
    return violations


def open_menu(page: Page, message_id: int) -> Locator:
    """Open the menu of a message with the mouse and return it."""
    page.hover(f"#m-{message_id}")
    page.click("#bar .more")
    menu = page.locator("#menu")
    expect(menu).to_be_visible()
    return menu


def choose(page: Page, message_id: int, words: str) -> None:
    """Choose an action of a message: in the bar at its row, or in its menu."""
    words = words.removeprefix("text=")
    if words in IN_BAR:
        page.hover(f"#m-{message_id}")
        page.locator("#bar").get_by_title(words, exact=True).click()
    else:
        open_menu(page, message_id).get_by_text(words, exact=True).first.click()


def send(page: Page, text: str) -> None:
    """Writes a message and sends it, as soon as the page has its scripts."""
    page.wait_for_load_state()
    page.fill("#body", text)
    page.keyboard.press("Enter")


def unsent(page: Page) -> Locator:
    """The messages that wait in the outbox of a page."""
    return page.locator("#outbox > li")


def hide(page: Page, hidden: bool = True) -> None:
    """Let the page believe that another tab is in front of it; headless tabs are all in front."""
    page.evaluate(
        "is => {Object.defineProperty(document, 'hidden', {value: is, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange'))}",
        hidden,
    )


def wait_until(condition: Callable[[], bool], page: Page, within: float = 10) -> None:
    """Wait until a condition about a page holds."""
    for _ in range(int(within / 0.05)):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen in time")


def wait_until_live(page: Page) -> None:
    """Wait until a page has its connection, if it needs it. Only later events are sure to reach the page."""
    is_live = "!document.getElementById('live') || document.documentElement.dataset.connection === 'open'"
    wait_until(lambda: bool(page.evaluate(is_live)), page, within=30)


# The same module is not run again; to import it takes until it and the modules that it needs have run.
RUNS = """async (script) => {
    const asked = performance.getEntriesByType("resource").find(({ name }) => name.endsWith(`/${script}.js`));
    if (asked) await import(asked.name);
    return Boolean(asked);
}"""


def wait_until_runs(page: Page, script: str) -> None:
    """Press a key that does nothing, and wait until the page runs a script that it loads only then."""
    page.keyboard.press("Shift")
    wait_until(lambda: bool(page.evaluate(RUNS, script)), page)


def first_visit(windows: Windows, server: ChatServer) -> Page:
    """A window on the first page of an empty installation."""
    page = windows.open()
    page.goto(server.url)
    return page
