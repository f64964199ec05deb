"""Folding text for comparison: without case, accents, and the widths of letters."""

import re
import unicodedata
from collections.abc import Sequence

from chat.text import SYLLABIC

_ACCENTS = re.compile("[\u0300-\u036f]")
_SYLLABIC = re.compile(f"([{SYLLABIC}])")


def folded(text: str) -> str:
    """Fold a text for comparison: `Café` to `cafe`, `ＡＢＣ` to `abc`; `chat.search.index_steps` does the same."""
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text.lower())))


def folded_with_places(text: str) -> tuple[str, Sequence[int]]:
    """Fold letter by letter; return the folded text, and for each of its letters the place in `text` it comes from."""
    if text.isascii():
        return text.lower(), range(len(text))
    letters = {letter: folded(letter) for letter in set(text)}
    comparable = "".join(map(letters.__getitem__, text))
    if all(len(each) == 1 for each in letters.values()):
        return comparable, range(len(text))
    return comparable, [place for place, letter in enumerate(text) for _ in letters[letter]]


def is_syllabic(text: str) -> bool:
    """Tell whether a text has letters that are syllables or words by themselves."""
    return _SYLLABIC.search(text) is not None


def spaced(text: str) -> str:
    """Return folded text with spaces around such letters, as in `searchable.words`."""
    return _SYLLABIC.sub(r" \1 ", text)
