"""Folding text for comparison. The functions `folded` and `bare` of the database (migration 0002) do the same."""

import re
import unicodedata
from collections.abc import Callable, Sequence

_ACCENTS = re.compile("[\u0300-\u036f]")


def folded(text: str) -> str:
    """Return a text in which the same letters are equal, in any case, width and composition: `İDA` and `ida`."""
    # Letter by letter, because str.lower() makes an s at the end of a Greek word another letter.
    lower = "".join(map(str.lower, unicodedata.normalize("NFKC", text)))
    return lower.replace("ς", "σ").replace("i\u0307", "i")


def bare(text: str) -> str:
    """Return a folded text without accents: `José` and `jose` are equal."""
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", folded(text))))


def with_places(text: str, fold: Callable[[str], str]) -> tuple[str, Sequence[int]]:
    """Fold letter by letter; return the folded text, and for each of its letters the place in `text` it comes from."""
    if text.isascii():
        return text.lower(), range(len(text))
    letters = {letter: fold(letter) for letter in set(text)}
    comparable = "".join(map(letters.__getitem__, text))
    if all(len(each) == 1 for each in letters.values()):
        return comparable, range(len(text))
    return comparable, [place for place, letter in enumerate(text) for _ in letters[letter]]
