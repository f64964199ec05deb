"""Acting at once on a slow network: the scripts that a page loads when its reader moves come later than the act."""

import re
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.test_files import DRAG, chosen, hand_over, picture
from tests.support.browsers import Windows, wait_until, wait_until_live, wait_until_runs
from tests.support.people import Person
from tests.support.uploading import send_file

LATE = ("completion", "copying", "files", "lightbox", "switching")

LISTEN = """types => {
    window.prevented = [];
    for (const type of types) window.addEventListener(type, (event) => event.defaultPrevented && prevented.push(type));
}"""


class SlowNetwork:
    """Holds back scripts that a page loads late."""

    def __init__(self, page: Page, scripts: Sequence[str]) -> None:
        self._held: list[Route] = []
        self._is_over = False
        page.route(re.compile(rf"/js/({'|'.join(scripts)})\.js$"), self._hold)

    def _hold(self, route: Route) -> None:
        if self._is_over:
            route.continue_()
        else:
            self._held.append(route)

    def holds(self, script: str) -> bool:
        """Tell whether the page waits for a script."""
        return any(route.request.url.endswith(f"/{script}.js") for route in self._held)

    def deliver(self) -> None:
        """Let the scripts come."""
        self._is_over = True
        for route in self._held:
            route.continue_()


def open_slowly(windows: Windows, person: Person, scripts: Sequence[str] = LATE) -> tuple[Page, SlowNetwork]:
    """A page of the lobby to which these scripts do not come yet."""
    page = windows.open(storage_state=windows.open_as(person).context.storage_state())
    network = SlowNetwork(page, scripts)
    page.goto(f"{person.server.url}/rooms/1")
    wait_until_live(page)
    return page, network


def test_a_file_chosen_at_once_goes_with_the_text(alice: Person, windows: Windows) -> None:
    page, network = open_slowly(windows, alice)
    page.set_input_files("#files", [chosen("plan.pdf", "application/pdf", b"%PDF-1.4 plan")])
    page.fill("#body", "the plan")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    wait_until(lambda: network.holds("files"), page)
    network.deliver()
    expect(page.locator("#messages .body")).to_have_text([re.compile("^the plan")])
    expect(page.get_by_role("link", name=re.compile("plan.pdf"))).to_be_visible()
    expect(page.locator("#attached > li, .unsent")).to_have_count(0)
    expect(page.locator("#body")).to_have_value("")


def test_a_file_chosen_at_once_waits_in_a_room_that_is_left(alice: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    page, network = open_slowly(windows, alice, ["files"])
    page.set_input_files("#files", [chosen("plan.pdf", "application/pdf", b"%PDF-1.4 plan")])
    wait_until_runs(page, "switching")
    page.click(f"#sidebar a[data-room='{garden}']")
    expect(page.locator("h1")).to_contain_text("Garden")
    network.deliver()
    wait_until_runs(page, "files")
    expect(page.locator("#attached > li")).to_have_count(0)
    page.go_back()
    expect(page.locator("#attached .name")).to_have_text(["plan.pdf"])


def test_dragging_a_file_over_a_page_lets_it_take_files(alice: Person, windows: Windows) -> None:
    page, network = open_slowly(windows, alice)
    page.evaluate(DRAG, "dragenter")
    wait_until(lambda: network.holds("files"), page)


@pytest.mark.parametrize("act", ["paste", "drop"])
def test_a_file_pasted_or_dropped_at_once_goes_with_the_text(alice: Person, windows: Windows, act: str) -> None:
    page, network = open_slowly(windows, alice)
    page.evaluate(LISTEN, ["dragover", act])
    hand_over(page, act, "ramp.png", "image/png", picture())
    assert page.evaluate("prevented") == (["dragover", act] if act == "drop" else [act]), (
        "the browser does nothing else"
    )
    page.keyboard.type("the ramp")
    page.keyboard.press("Enter")
    wait_until(lambda: network.holds("files"), page)
    network.deliver()
    expect(page.locator("#messages .body")).to_have_text(["the ramp"])
    expect(page.locator("#messages .files img")).to_have_count(1)
    expect(page.locator("#attached > li, .unsent")).to_have_count(0)


def test_an_emoji_chosen_at_once_comes_into_the_text(alice: Person, windows: Windows) -> None:
    page, network = open_slowly(windows, alice)
    page.fill("#body", "well done ")
    page.click("#pick")
    page.locator("#picker .emoji-list button").first.click()
    network.deliver()
    expect(page.locator("#body")).to_have_value("well done 👍")
    expect(page.locator("#picker")).to_be_hidden()


def test_a_name_begun_at_once_is_completed(alice: Person, bob: Person, windows: Windows) -> None:
    page, network = open_slowly(windows, alice)
    page.locator("#body").press_sequentially("@bo")
    network.deliver()
    expect(page.locator("#completions > li")).to_contain_text([bob.name])
    page.keyboard.press("Tab")
    expect(page.locator("#body")).to_have_value(f"@{bob.name} ")


def test_a_picture_clicked_twice_at_once_opens_once(alice: Person, windows: Windows) -> None:
    send_file(alice, "ramp.png", picture())
    page, network = open_slowly(windows, alice)
    for _ in range(2):
        page.click(".picture > a")
    network.deliver()
    expect(page.locator("#lightbox")).to_be_visible()
    page.go_back()
    expect(page.locator("#lightbox")).to_be_hidden()
    expect(page).to_have_url(re.compile("/rooms/1$"))


def test_a_room_clicked_twice_at_once_opens_once(alice: Person, windows: Windows) -> None:
    garden = alice.create_room("Garden")
    page, network = open_slowly(windows, alice)
    page.dblclick(f"#sidebar a[data-room='{garden}']", no_wait_after=True)
    network.deliver()
    expect(page.locator("h1")).to_contain_text("Garden")
    wait_until_live(page)
    alice.post(garden, "seen")
    expect(page.locator("#messages .body")).to_have_text(["seen"])
    page.go_back()
    expect(page.locator("h1")).to_contain_text("Lobby")
