"""The messages of rate limits, at a phone's width."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browsers import PHONE, Windows, accessibility_violations
from tests.support.people import Person, be_too_fast, browser
from tests.support.server import ChatServer

SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results" / "screenshots"


@pytest.fixture
def server(start_server: Callable[..., ChatServer], database_url: str) -> ChatServer:
    """A server with the real limits."""
    return start_server(database_url, RATE_LIMITS="1")


def test_a_message_sent_too_fast_stays_in_its_box_and_is_sent_later(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, expected=("429",))
    be_too_fast(alice)
    page.fill("#body", "Is somebody there?")
    page.click(".send")
    error, box = page.locator("#composer-error"), page.locator("#body")
    expect(error).to_have_text(
        re.compile(r"You are sending messages very fast\. This one is sent automatically in \d+ seconds?\.")
    )
    expect(box).to_have_value("Is somebody there?")
    page.screenshot(path=SCREENSHOTS / "throttled-composer-phone.png")
    assert accessibility_violations(page) == []
    expect(page.locator("#messages .body").last).to_have_text("Is somebody there?", timeout=40_000)
    expect(box).to_have_value("")
    expect(error).to_have_text("")
    assert alice.reads(1).count("Is somebody there?") == 1


def test_text_typed_after_a_delayed_message_is_sent_after_it(alice: Person, windows: Windows) -> None:
    page = windows.open_as(alice, "/rooms/1", viewport=PHONE, expected=("429",))
    be_too_fast(alice)
    page.fill("#body", "first")
    page.click(".send")
    expect(page.locator("#composer-error")).to_have_text(re.compile("This one is sent automatically"))
    page.fill("#body", "changed")
    expect(page.locator("#composer-error")).to_have_text("")
    time.sleep(11)
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
