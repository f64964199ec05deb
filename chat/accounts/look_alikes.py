"""Names that look like another person's: the same letters, or others that look the same (Unicode TS 39).

The library holds Unicode's table of confusable characters. A name's skeleton, its characters each replaced by the
one they look like, is made here.
"""

import unicodedata
from functools import cache

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.errors import InvalidInput
from chat.folding import folded
from chat.ids import UserId
from chat.models import users

# The table puts these around letters that are written from right to left.
_DIRECTION = "\u200e"
_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(7463922)")


async def check_look_alikes(connection: AsyncConnection, name: str, of: UserId | None = None) -> None:
    """Raise `InvalidInput` for the field `name` when it looks like the name of a person other than `of`.

    Until the transaction ends, nobody else takes a name.
    """
    await connection.execute(_TAKE_TURNS)
    looks = looks_of(name)
    others = select(users.c.name) if of is None else select(users.c.name).where(users.c.id != of)
    for (taken,) in await connection.execute(others):
        if looks & looks_of(taken):
            raise InvalidInput(name="Somebody here has this name, or one that looks like it. Add something to it.")


def looks_of(name: str) -> frozenset[tuple[str, str]]:
    """Return how a name looks as it is, and how it looks in small letters: names that share one look alike."""
    small = folded(name)
    return frozenset({("as it is", skeleton(name)), ("small", skeleton(small)), ("small", small)})


def skeleton(name: str) -> str:
    """Return a name with each character replaced by the one it looks like, without invisible characters."""
    return unicodedata.normalize("NFD", "".join(map(_prototype, unicodedata.normalize("NFD", name))))


@cache
def _prototype(letter: str) -> str:
    from confusable_homoglyphs.confusables import confusables_data  # noqa: PLC0415  takes some megabytes

    if unicodedata.category(letter) == "Cf":
        return ""
    # The table lists each character's prototype, and for a prototype all that look like it.
    alike: list[str] = [each["c"].strip(_DIRECTION) for each in confusables_data.get(letter, ())]
    if len(alike) != 1:
        return letter
    other = alike[0]
    is_pair = len(confusables_data.get(other, ())) == 1
    return min(letter, other) if is_pair else other
