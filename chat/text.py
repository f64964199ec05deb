"""Rules for typed text."""

import re
import unicodedata

from chat.errors import InvalidInput

# Kana, Han and Hangul, written without spaces: the ranges of `searchable.words`, for a regular expression's brackets.
SYLLABIC = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"

# All scripts written without spaces, also in their rarer forms: single jamo, half widths, iteration marks like 々, rare
# Han, and Thai, Lao, Myanmar and Khmer with their marks.
UNSPACED = SYLLABIC + (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3130-\u318f\uff66-\uffdc\U00020000-\U0003ffff"
)

# Letters and marks that show nothing by themselves: fillers of Hangul, an empty Braille cell, variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_JOINERS = "\u200c\u200d"  # they have a meaning between letters of Persian and parts of an emoji


def single_line(text: str) -> str:
    """Return a text as one line: without control and invisible characters, with composed letters and single spaces."""
    visible = []
    for letter in unicodedata.normalize("NFC", text):
        category = unicodedata.category(letter)
        if category in ("Cc", "Zl", "Zp"):
            visible.append(" ")
        elif category not in ("Cf", "Cs", "Co", "Cn") or letter in _JOINERS:
            visible.append(letter)
    line = " ".join("".join(visible).split())
    return "" if is_blank(line) else line


def is_blank(text: str) -> bool:
    """Tell whether a text shows nothing: only spaces, and characters that are invisible by themselves."""
    shown = _BLANK.sub("", text)
    return all(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs") for letter in shown)


UNREADABLE = "\ufffd"  # replaces a NUL in forms


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL can store or compare a text: it has no NUL, and UTF-8 no half of a surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def paragraphs(text: str) -> str:
    """Return a text of several lines: each as by `single_line`, with at most one empty line between two."""
    lines = [single_line(line) for line in text.splitlines()]
    return "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before).strip()


def checked_name(name: str, longest: int) -> str:
    """Return `name` as one line; raises `InvalidInput` for the field `name` when it is empty or too long."""
    name = single_line(name)
    if not name:
        raise InvalidInput(name="Enter a name.")
    if len(name) > longest:
        raise InvalidInput(name=f"Use at most {longest} characters.")
    return name
