"""The revision rule: the whole decision of what to do with a hint, and nothing else.

A hint says "the room went from `base` to `revision`, here is the markup". Hints may be lost, doubled, late and out of
order. The database is the truth.
"""

from enum import Enum, auto

from chat.ids import Revision


class Verdict(Enum):
    """What to do with a hint."""

    DELIVER = auto()
    DROP = auto()
    FETCH = auto()


def judge(cursor: Revision, base: Revision, revision: Revision) -> Verdict:
    """Deliver a hint that continues exactly where the readers are; drop an old one; fetch what is missing otherwise."""
    if revision <= cursor:
        return Verdict.DROP
    return Verdict.DELIVER if base == cursor else Verdict.FETCH
