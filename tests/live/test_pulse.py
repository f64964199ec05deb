"""Pings: pages that answer stay connected and hear that the server lives; silent ones are ended."""

import asyncio
import time
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from benchmarks.measure import handshake
from chat.live.frames import HEARTBEAT
from chat.live.pulse import PING_BEATS, PINGS_AT_ONCE, PONG_BEATS, Pulse
from chat.live.wire import holds_whole_frames, is_pong
from tests.support.people import Person

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured")]

BEAT = 0.5
HURRIED = f"from chat.live import pulse; pulse.BEAT_SECONDS = {BEAT}; from chat.__main__ import main; main(['serve'])"


@pytest.fixture
def hurried(alice: Person) -> Person:
    """The first member of a server whose pulse is ten times as fast."""
    alice.server.stop()
    alice.server.command = ["-c", HURRIED]
    alice.server.start()
    return alice


def pong(payload: bytes) -> bytes:
    return b"\x8a\x84" + b"mask" + bytes(a ^ b for a, b in zip(payload, b"mask", strict=True))


async def follow(person: Person, seconds: float, answers: Callable[[bytes], list[bytes]]) -> tuple[bytes, float]:
    """Return what a page hears that answers each ping so, until it is ended or time is up, and when that was."""
    cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
    reading, writing = await asyncio.open_connection("127.0.0.1", person.server.port)
    writing.write(handshake(person.server.port, "/live?", cookie).encode())
    assert (await reading.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    heard, began, answered = b"", time.monotonic(), 0
    while (left := seconds - (time.monotonic() - began)) > 0:
        try:
            data = await asyncio.wait_for(reading.read(65536), left)
        except TimeoutError:
            break
        if not data:
            break
        heard += data
        while (at := heard.find(b"\x89\x04", answered)) >= 0 and len(heard) >= at + 6:
            answered = at + 6
            for part in answers(heard[at + 2 : at + 6]):
                writing.write(part)
                await writing.drain()
                await asyncio.sleep(0.01)
    writing.close()
    return heard, time.monotonic() - began


async def test_pages_that_answer_pings_stay_and_hear_that_the_server_lives(hurried: Person) -> None:
    seconds = 4 * PING_BEATS * BEAT
    whole, split, among_others = await asyncio.gather(
        follow(hurried, seconds, lambda payload: [pong(payload)]),
        follow(hurried, seconds, lambda payload: [pong(payload)[:3], pong(payload)[3:]]),
        # After another frame that comes in two parts, and in one write with the pong.
        follow(hurried, seconds, lambda payload: [b"\x81\x81mask", b"x" + pong(payload), pong(payload)]),
    )
    for heard, ended in (whole, split, among_others):
        assert ended >= seconds
        assert 2 <= heard.count(HEARTBEAT) == heard.count(b"\x89\x04")
        assert b"keepalive" not in heard


async def test_pages_that_do_not_answer_or_answer_wrongly_are_ended(hurried: Person) -> None:
    for answers in (lambda _: [], lambda payload: [pong(payload[::-1])]):
        heard, ended = await follow(hurried, 60, answers)
        assert b"keepalive ping timeout" in heard
        assert ended >= PONG_BEATS * BEAT, "it had time to answer"
        assert heard.count(b"\x89\x04") == 1, "it is ended before its next ping"


async def test_many_pages_are_pinged_in_steps_each_once() -> None:
    class Page:
        pings = 0

        def ping(self, payload: bytes, frames: bytes) -> None:
            assert payload in frames
            self.pings += 1

        def end_if_silent(self) -> None:
            pass

    pulse, pages = Pulse(), [Page() for _ in range(2 * PINGS_AT_ONCE + 1)]
    turns = [pulse.join(page) for page in pages]
    with anyio.fail_after(60):
        while not pages[0].pings:
            await anyio.lowlevel.checkpoint()
        assert sum(page.pings for page in pages) < len(pages), "others are served between the steps"
        while not pages[-1].pings:
            await anyio.lowlevel.checkpoint()
    assert {page.pings for page in pages} == {1}
    for page, turn in zip(pages, turns, strict=True):
        del turn[page]


def test_a_pong_is_known_without_parsing_only_when_nothing_else_came() -> None:
    assert is_pong(pong(b"1234"), b"1234")
    assert not is_pong(pong(b"1234"), b"4321")
    assert not is_pong(pong(b"1234"), None)
    assert not is_pong(pong(b"1234")[:9], b"1234")
    assert not is_pong(b"\x81" + pong(b"1234")[1:], b"1234")


@pytest.mark.parametrize(
    ("data", "is_whole"),
    [(b"", True), (pong(b"1234"), True), (pong(b"1234") * 2, True), (b"\x81", False), (pong(b"1234")[:5], False)]
    + [(b"\x81\xfe\x01\x00" + bytes(size), size in (260, 266)) for size in (130, 259, 260, 261, 266)]
    + [(b"\x81\xff" + bytes(size), False) for size in (4, 12, 130, 266)],
)
def test_only_whole_frames_leave_a_page_between_frames(data: bytes, *, is_whole: bool) -> None:
    assert holds_whole_frames(data) is is_whole
