"""When a room's next frame is due."""

import pytest

from chat.live.pace import FRAMES_A_SECOND, LONGEST, MOST_AHEAD, MOST_OF_A_PROCESS, SHORTEST, Pace

START = 1000.0  # of the clock


def interval(pace: Pace, *, took: float = 0.001, busy: float = 0.0, frames: int = 4) -> float:
    """Send frames as soon as they are due, and return the seconds from the last to the next."""
    began = START + max(0.0, pace.wait(START))
    spent, last = 0.0, began - took
    for _ in range(frames):
        spent += busy * (began + took - last)
        last = began + took
        pace.sent(began, last, spent)
        due = began + pace.wait(began)
        began, before = due, began
    return began - before


def test_a_frame_after_a_pause_is_sent_at_once() -> None:
    pace = Pace()
    assert pace.wait(START) <= 0
    pace.sent(START, START + 0.001, 0.001)
    assert pace.wait(START + SHORTEST) == pytest.approx(0)


def test_frames_back_to_back_come_every_25_milliseconds_or_sooner_from_an_idle_process() -> None:
    assert interval(Pace()) == pytest.approx(SHORTEST)
    assert SHORTEST <= 0.025


def test_frames_to_many_readers_take_a_fixed_share_of_the_process() -> None:
    took = 2 * SHORTEST * MOST_OF_A_PROCESS
    assert took / MOST_OF_A_PROCESS < LONGEST
    assert interval(Pace(), took=took) == pytest.approx(took / MOST_OF_A_PROCESS)


def test_a_frame_that_takes_longer_than_the_longest_pause_is_followed_by_a_pause() -> None:
    assert interval(Pace(), took=3 * LONGEST) == pytest.approx(4 * LONGEST)


def test_a_busy_process_gathers_longer_but_not_for_ever() -> None:
    assert interval(Pace(), busy=0.4) == pytest.approx(SHORTEST)
    assert interval(Pace(), busy=0.75) == pytest.approx(2 * SHORTEST)
    assert interval(Pace(), busy=1.0) == pytest.approx(LONGEST)


def test_in_the_long_run_a_room_gets_ten_frames_a_second() -> None:
    pace = Pace()
    assert interval(pace, frames=MOST_AHEAD) == pytest.approx(SHORTEST)
    assert interval(Pace(), frames=2 * MOST_AHEAD) == pytest.approx(1 / FRAMES_A_SECOND, rel=0.02)
