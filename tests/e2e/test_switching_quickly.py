"""Switching on before the server has answered to the switch before."""

from playwright.sync_api import Page, WebSocket, WebSocketRoute, expect

from tests.e2e.test_switching import arrange, same_page, shown
from tests.support.browsers import Windows, wait_until, wait_until_live
from tests.support.people import Person

# Holds back what is to come after the next paint, but not what was to come after one before.
SWITCH_UNPAINTED = """async (room) => {
    Object.assign(window, { held: [], paint: requestAnimationFrame });
    window.requestAnimationFrame = (act) => held.push(act);
    await new Promise((painted) => paint(() => setTimeout(painted)));
    document.querySelector(`#sidebar a[data-room="${room}"]`).click();
}"""
PAINT = "window.requestAnimationFrame = paint; for (const act of held) requestAnimationFrame(act);"


class SlowAnswers:
    """Holds the server's answers to switches back, and notes what else has reached a page."""

    def __init__(self, page: Page) -> None:
        self.held: list[str] = []
        self.passed = ""
        page.route_web_socket("**/live*", self._follow)

    def _follow(self, socket: WebSocketRoute) -> None:
        self._page = socket
        socket.connect_to_server().on_message(self._pass_on)

    def _pass_on(self, frame: str | bytes) -> None:
        if str(frame).startswith("switched"):
            self.held.append(str(frame))
        else:
            self._send(str(frame))

    def _send(self, frame: str) -> None:
        self._page.send(frame)
        self.passed += frame

    def release(self) -> None:
        while self.held:
            self._send(self.held.pop(0))


def test_a_late_answer_to_the_switch_before_brings_no_message_of_that_room(
    alice: Person, bob: Person, windows: Windows
) -> None:
    garden, kitchen = arrange(alice)
    for room in (garden, kitchen):
        bob.submit(f"/rooms/{room}/join")
    page = windows.open_as(alice)
    answers = SlowAnswers(page)
    page.goto(f"{alice.server.url}/rooms/{garden}")
    same_page(page)
    wait_until_live(page)
    page.click(f"#sidebar a[data-room='{kitchen}']")
    wait_until(lambda: bool(answers.held), page)
    page.evaluate(SWITCH_UNPAINTED, garden)
    wait_until(lambda: shown(page) == ["roses"], page)
    answers.release()
    bob.post(kitchen, "salad")
    wait_until(lambda: "salad" in answers.passed, page)
    page.evaluate(PAINT)
    wait_until(lambda: bool(answers.held), page)
    answers.release()
    bob.post(garden, "tulips")
    expect(page.locator("#messages .body").last).to_have_text("tulips")
    assert shown(page) == ["roses", "tulips"]


def test_a_reader_who_goes_from_one_part_of_the_past_to_another_keeps_the_connection(
    alice: Person, windows: Windows
) -> None:
    for number in range(1, 130):
        alice.post(1, f"after {alice.server.url}/rooms/1/messages/{number + 1}")
    page, sockets = windows.open_as(alice), list[WebSocket]()
    page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108  Playwright wants a function
    page.goto(f"{alice.server.url}/rooms/1/messages/3")
    same_page(page)
    wait_until_live(page)
    page.click("#m-3 a[href$='/messages/4']")
    expect(page.locator("#messages")).to_have_attribute("data-focus", "m-4")
    alice.submit("/profile/theme", {"theme": "dark"})
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert len(sockets) == 1
