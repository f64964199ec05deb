"""Small rules for text that people type."""

import unicodedata

from sqlalchemy import Column, ColumnElement

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


def contains(column: Column[str], query: str) -> ColumnElement[bool]:
    """A condition: the column contains `query`, in either case, with `%` and `_` taken literally."""
    return column.icontains(single_line(query), autoescape=True)
