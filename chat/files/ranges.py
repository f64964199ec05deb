"""Byte ranges of a request (RFC 9110, 14)."""

import re

MOST_RANGES = 20
# Of stripped text: with spaces at its ends, too, it would take seconds for a header that is nearly all spaces.
_RANGE = re.compile(r"(\d{0,15})\s*-\s*(\d{0,15})")

Range = tuple[int, int]  # the first byte, and the byte after the last


class NotSatisfiable(Exception):
    """A file has none of the bytes."""


def ranges_of(header: str | None, size: int) -> list[Range]:
    """Return the ranges that a `Range` header asks for; none for the whole file.

    A header that is not understood, or that asks for too much, is ignored, as RFC 9110 allows. Raises
    `NotSatisfiable`.
    """
    unit, _, text = (header or "").partition("=")
    parts = text.split(",")
    if unit.strip().lower() != "bytes" or len(parts) > MOST_RANGES:
        return []
    found = [_RANGE.fullmatch(part.strip()) for part in parts]
    asked = [(match[1], match[2]) for match in found if match and (match[1] or match[2])]
    if len(asked) < len(parts) or any(first and last and int(last) < int(first) for first, last in asked):
        return []
    within = [each for each in (_within(first, last, size) for first, last in asked) if each[0] < each[1]]
    if not within:
        raise NotSatisfiable
    return within if sum(end - start for start, end in within) <= size else []


def _within(first: str, last: str, size: int) -> Range:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size
