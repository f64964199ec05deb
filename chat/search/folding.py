"""Letters that are words by themselves, in folded text."""

import re

from chat.text import SYLLABIC

_SYLLABIC = re.compile(f"([{SYLLABIC}])")


def is_syllabic(text: str) -> bool:
    """Tell whether a text has letters that are syllables or words by themselves."""
    return _SYLLABIC.search(text) is not None


def spaced(text: str) -> str:
    """Return folded text with spaces around such letters, as in `searchable.words`."""
    return _SYLLABIC.sub(r" \1 ", text)
