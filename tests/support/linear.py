"""Tells linear from quadratic work for a text."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

# Four times the text: linear work takes four times as long, quadratic work sixteen times.
STEPS = 4
MOST_GROWTH = 9.0
# Seconds too short to tell from noise, and to delay a member.
NEGLIGIBLE = 0.02
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Repeated:
    """A text of any length: a repeated part between a beginning and an end."""

    beginning: str
    piece: str
    end: str

    def text(self, length: int) -> str:
        """Return so many characters of it."""
        middle = max(length - len(self.beginning) - len(self.end), 0)
        return self.beginning + (self.piece * (middle // len(self.piece) + 1))[:middle] + self.end


def repeated(pieces: list[str]) -> st.SearchStrategy[Repeated]:
    """Texts of pieces of a syntax, in any order, with one or several pieces repeated."""
    few = st.lists(st.sampled_from(pieces), max_size=3).map("".join)
    return st.builds(Repeated, few, st.lists(st.sampled_from(pieces), min_size=1, max_size=3).map("".join), few)


def assert_linear(work: Callable[[str], object], repeated: Repeated, longest: int) -> None:
    """Do the work for a text and for a text four times as long, and compare the CPU time.

    Each is taken to be as fast as the fastest of several attempts, which end as soon as all is well: a busy machine
    makes work slower, never faster.
    """
    short, long = repeated.text(longest // STEPS), repeated.text(longest)
    fastest_short = fastest_long = float("inf")
    for _ in range(ATTEMPTS):
        fastest_long = min(fastest_long, cpu_time(work, long))
        if fastest_long <= NEGLIGIBLE:
            return
        fastest_short = min(fastest_short, cpu_time(work, short))
        if fastest_long <= MOST_GROWTH * max(fastest_short, NEGLIGIBLE / STEPS):
            return
    raise AssertionError(f"{fastest_short:.4f} s become {fastest_long:.4f} s: {repeated}")


def cpu_time(work: Callable[[str], object], text: str) -> float:
    """The seconds of CPU time that the work takes."""
    gc.disable()
    began = time.thread_time()
    try:
        work(text)
        return time.thread_time() - began
    finally:
        gc.enable()
