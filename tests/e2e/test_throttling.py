"""The messages of rate limits, at a phone's width."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browsers import PHONE, Windows, accessibility_violations, unsent
from tests.support.people import Person, be_too_fast, browser
from tests.support.server import ChatServer

SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results" / "screenshots"


@pytest.fixture
def server(start_server: Callable[..., ChatServer], database_url: str) -> ChatServer:
    """A server with the real limits."""
    return start_server(database_url, RATE_LIMITS="1")


def test_a_message_sent_too_fast_waits_and_is_sent_later(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, expected=("429",))
    be_too_fast(alice)
    page.fill("#body", "Is somebody there?")
    page.click(".send")
    expect(unsent(page)).to_contain_text(
        re.compile(r"You are sending messages very fast\. It is sent in \d+ seconds?\.")
    )
    page.screenshot(path=SCREENSHOTS / "throttled-composer-phone.png")
    assert accessibility_violations(page) == []
    expect(page.locator("#messages .body").last).to_have_text("Is somebody there?", timeout=40_000)
    expect(unsent(page)).to_have_count(0)
    assert alice.reads(1).count("Is somebody there?") == 1


def test_an_edited_message_is_not_sent_when_its_delay_is_over(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, expected=("429",))
    seconds = int(be_too_fast(alice).headers["Retry-After"])
    page.fill("#body", "first")
    page.click(".send")
    expect(unsent(page)).to_contain_text("It is sent in")
    unsent(page).get_by_text("Edit").click()
    page.fill("#body", "changed")
    expect(unsent(page)).to_have_count(0)
    time.sleep(seconds + 2)
    assert "first" not in alice.reads(1)
    expect(page.locator("#body")).to_have_value("changed")
    page.click(".send")
    expect(page.locator("#messages .body").last).to_have_text("changed")


def test_too_many_wrong_passwords_show_how_long_to_wait(alice: Person, windows: Windows) -> None:
    stranger = browser(alice.server)
    page = windows.open(viewport=PHONE, expected=("429", "422"))
    page.goto(f"{alice.server.url}/sign-in")
    # Guess until the delay is longer than the page takes to load.
    waits = 0
    while waits < 7:
        answer = stranger.post("/sign-in", data={"email": alice.email, "password": "a wrong guess"})
        waits = int(answer.headers.get("Retry-After", 0))
        # Without the pause the address would meet a limit of its own.
        time.sleep(waits if waits < 7 else 0)
    page.fill("#email", alice.email)
    page.fill("#password", "another wrong guess")
    page.click("button")
    said = page.locator(".form-error")
    expect(said).to_have_text(
        re.compile(r"There were too many attempts to sign in\. Try again in \d+ (second|minute)s?\.")
    )
    expect(page.locator("#email")).to_have_value(alice.email)
    page.screenshot(path=SCREENSHOTS / "throttled-sign-in-phone.png")
    assert accessibility_violations(page) == []
