"""Messages stand in their order in a page, in whatever order they come, and a page finds their places cheaply."""

from itertools import permutations

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.support.browsers import Windows, wait_until, wait_until_live
from tests.support.people import Person

COUNT_COMPARISONS = """() => {
    const { localeCompare } = String.prototype;
    window.comparisons = 0;
    String.prototype.localeCompare = function (...others) {
        window.comparisons += 1;
        return localeCompare.apply(this, others);
    };
}"""
EARLIER = 20


class HeldMessages:
    """Holds back the frames that bring new messages, once told to."""

    def __init__(self, page: Page) -> None:
        self.held: list[str] = []
        self.holds = False
        page.route_web_socket("**/live*", self._follow)

    def _follow(self, socket: WebSocketRoute) -> None:
        self._page = socket
        socket.connect_to_server().on_message(self._pass_on)

    def _pass_on(self, frame: str | bytes) -> None:
        if self.holds and str(frame).startswith("<li"):
            self.held.append(str(frame))
        else:
            self._page.send(frame)

    def close(self) -> None:
        self._page.close(code=1012)

    def release(self, order: tuple[int, ...], together: bool) -> None:
        frames = [self.held[at] for at in order]
        for frame in ["".join(frames)] if together else frames:
            self._page.send(frame)


def shown(page: Page) -> list[str]:
    return page.locator("#messages .body").all_inner_texts()


def arrange(alice: Person, windows: Windows) -> tuple[Page, HeldMessages]:
    """Open a page of a room with some messages."""
    for number in range(EARLIER):
        alice.post(1, f"earlier {number}")
    page = windows.open_as(alice)
    messages = HeldMessages(page)
    page.goto(f"{alice.server.url}/rooms/1")
    wait_until_live(page)
    return page, messages


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one frame"])
def test_messages_that_come_in_any_order_stand_in_theirs(
    alice: Person, bob: Person, windows: Windows, together: bool
) -> None:
    page, messages = arrange(alice, windows)
    expected = [f"earlier {number}" for number in range(EARLIER)]
    for order in permutations(range(3)):
        messages.held, messages.holds = [], True
        for number in range(3):
            text = f"{order} {number}"
            bob.post(1, text)
            expected.append(text)
            wait_until(lambda: len(messages.held) > number, page)  # noqa: B023  called at once
        messages.release(order, together)
        expect(page.locator("#messages .body")).to_have_count(len(expected))
        assert shown(page) == expected
        # Once more, as after a connection that was lost.
        messages.release(order, together)
        bob.post(1, "a frame after them")
        expected.append("a frame after them")
        wait_until(lambda: len(messages.held) == 4, page)
        messages.release((3,), together)
        expect(page.locator("#messages .body")).to_have_count(len(expected))
        assert shown(page) == expected


def test_a_message_after_all_others_is_compared_with_none(alice: Person, bob: Person, windows: Windows) -> None:
    page, _ = arrange(alice, windows)
    page.evaluate(COUNT_COMPARISONS)
    for text in ("one", "two"):
        bob.post(1, text)
        expect(page.locator("#messages .body").last).to_have_text(text)
    assert page.evaluate("comparisons") == 0


def test_a_message_whose_number_comes_first_is_not_new_to_a_reader_who_watches(
    alice: Person, bob: Person, windows: Windows
) -> None:
    page, messages = arrange(alice, windows)
    messages.holds = True
    bob.post(1, "seen coming")
    wait_until(lambda: bool(messages.held), page)
    expect(page.locator("#sidebar a[data-room='1']")).to_have_attribute("data-count", str(EARLIER + 1))
    messages.release((0,), together=False)
    expect(page.locator("#messages .body").last).to_have_text("seen coming")
    page.evaluate("new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))")
    expect(page.locator(".first-new")).to_have_count(0)


def test_a_message_that_was_missed_is_new(alice: Person, bob: Person, windows: Windows) -> None:
    page, messages = arrange(alice, windows)
    messages.close()
    expect(page.locator("html")).to_have_attribute("data-connection", "lost")
    bob.post(1, "missed")
    expect(page.locator(".first-new .body")).to_have_text("missed")
