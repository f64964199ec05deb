"""Small rules for text that people type."""

import unicodedata

from chat.errors import InvalidInput

# Kana, Han, Hangul, whose words stand side by side: the ranges of `searchable.words`, for brackets of an expression.
SYLLABIC = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"

_JOINERS = "\u200c\u200d"  # between letters of Persian and parts of an emoji they carry meaning


def single_line(text: str) -> str:
    """A name as one line: no control or invisible characters, runs of white space made one space."""
    visible = []
    for letter in text:
        category = unicodedata.category(letter)
        if category in ("Cc", "Zl", "Zp"):
            visible.append(" ")
        elif category not in ("Cf", "Cs", "Co", "Cn") or letter in _JOINERS:
            visible.append(letter)
    line = " ".join("".join(visible).split())
    return line if line.strip(_JOINERS) else ""


UNREADABLE = "\ufffd"  # replaces a NUL in forms


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can store or compare a text: it has no NUL, and UTF-8 no half of a surrogate pair."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def paragraphs(text: str) -> str:
    """A text of several lines: each as `single_line` has it, at most one empty line between two."""
    lines = [single_line(line) for line in text.splitlines()]
    return "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before).strip()


def checked_name(name: str, longest: int) -> str:
    """`name` as one line; raises `InvalidInput` for the field `name` when nothing is left of it or it is too long."""
    name = single_line(name)
    if not name:
        raise InvalidInput(name="Enter a name.")
    if len(name) > longest:
        raise InvalidInput(name=f"Use at most {longest} characters.")
    return name
