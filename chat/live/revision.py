"""The revision rule: decides whether a hint is delivered, dropped, or answered by a query.

A hint says "the room went from `base` to `revision`, here is the markup". Hints may be lost, doubled, late and out of
order. Only the database is certain.
"""

from enum import Enum, auto

from chat.ids import Revision


class Verdict(Enum):
    """The decision about a hint."""

    DELIVER = auto()
    DROP = auto()
    FETCH = auto()


def judge(cursor: Revision, base: Revision, revision: Revision) -> Verdict:
    """Deliver a hint that continues at the readers' revision, drop an old hint, and fetch the changes otherwise."""
    if revision <= cursor:
        return Verdict.DROP
    return Verdict.DELIVER if base == cursor else Verdict.FETCH
