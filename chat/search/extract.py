"""Extracts of messages for search results, with the search terms marked."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from markupsafe import Markup, escape

from chat.folding import bare, with_places
from chat.messages.markdown import plain
from chat.search.query import Term

BEFORE, LENGTH = 60, 280  # characters
MOST_LOOKED_AT = 200  # matches: a message may be ten thousand times the same letter


def extract(markup: str, terms: Sequence[Term]) -> Markup:
    """Return part of a message's text, around the place with the most different terms."""
    text = unicodedata.normalize("NFC", plain(markup))
    found = _found(text, terms)
    start = max(0, _best_place(found) - BEFORE)
    end = min(len(text), start + LENGTH)
    pieces, place = [Markup("…") if start else Markup()], start
    for first, last, _ in found:
        if place <= first and last <= end:
            pieces += [escape(text[place:first]), Markup("<mark>{}</mark>").format(text[first:last])]
            place = last
    return Markup().join([*pieces, escape(text[place:end]), "…" if end < len(text) else ""])


def _found(text: str, terms: Sequence[Term]) -> list[tuple[int, int, Term]]:
    """Return the start, end and term of each match in a text, in order."""
    comparable, places = with_places(text, bare)
    return sorted(
        (
            (places[match.start()], places[match.end() - 1] + 1, term)
            for term in terms
            for match in islice(re.finditer(term.pattern, comparable), MOST_LOOKED_AT // len(terms))
        ),
        key=lambda found: found[:2],
    )


def _best_place(found: Sequence[tuple[int, int, Term]]) -> int:
    """Return the first place that is followed by the most different terms within an extract's length."""
    within: Counter[Term] = Counter()
    most, best, end = 0, 0, 0
    for start, _, term in found:
        while end < len(found) and found[end][0] < start + LENGTH - BEFORE:
            within[found[end][2]] += 1
            end += 1
        if len(within) > most:
            most, best = len(within), start
        within[term] -= 1
        if not within[term]:
            del within[term]
    return best
