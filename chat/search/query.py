"""The search language: words, "phrases", and operators such as `in:` and `from:`."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from chat.errors import InvalidInput
from chat.folding import bare
from chat.messages.emoji import VARIANT
from chat.search.folding import is_syllabic
from chat.text import single_line

LONGEST = 300
MOST_TERMS = 20
SHORTEST_SUBSTRING = 3  # characters, since pg_trgm indexes text in threes

_OPERATORS = ("from", "in", "before", "after", "has", "filename")
Kind = Literal["link", "file", "image"]
_KINDS: dict[str, Kind] = {
    "link": "link",
    "links": "link",
    "file": "file",
    "files": "file",
    "image": "image",
    "images": "image",
    "photo": "image",
    "photos": "image",
}
_PART = re.compile(rf'(-?)(?:({"|".join(_OPERATORS)}):)?("[^"]*"?|\S+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase, folded, that a message must contain, or must not."""

    text: str
    is_phrase: bool = False
    is_unwanted: bool = False

    @property
    def is_sign(self) -> bool:
        """Tell whether it has no letter or digit: `&`, `–`, `🎉`."""
        return not any(map(str.isalnum, self.text))

    @property
    def has_sign(self) -> bool:
        """Tell whether it begins or ends with a sign that is a part of it: `C++`, `C#`, `.NET`, `100%`."""
        return not self.is_sign and not (self.text[0].isalnum() and self.text[-1].isalnum())

    @property
    def is_substring(self) -> bool:
        """Tell whether it is also found within words."""
        return self.is_sign or len(self.text) >= SHORTEST_SUBSTRING

    @property
    def pattern(self) -> str:
        """A regular expression that finds it in folded text."""
        escaped = r"\s+".join(map(re.escape, self.text.split()))
        begins_anywhere = (self.is_substring and not self.has_sign) or is_syllabic(self.text)
        return escaped if begins_anywhere or not self.text[0].isalnum() else rf"(?<!\w){escaped}"


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed search. Messages are wanted from the moment `since`, and before the moment `until`."""

    terms: tuple[Term, ...]
    authors: tuple[str, ...]
    unwanted_authors: tuple[str, ...]
    rooms: tuple[str, ...]
    unwanted_rooms: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    kinds: frozenset[Kind]
    unwanted_kinds: frozenset[Kind]
    file_names: tuple[str, ...]
    unwanted_file_names: tuple[str, ...]

    @property
    def wanted(self) -> tuple[Term, ...]:
        """The terms that a message must contain."""
        return tuple(term for term in self.terms if not term.is_unwanted)


def parse_search(typed: str, now: datetime) -> Question:
    """Parse a typed search, with days in the time zone of `now`; raises `InvalidInput` for `q`."""
    typed = single_line(typed)
    if len(typed) > LONGEST:
        raise InvalidInput(q=f"Use at most {LONGEST} characters.")
    terms, said = _terms_and_operators(typed)
    if not terms and not any(said.values()):
        raise InvalidInput(q="There is nothing to search for in this. Type a word.")
    terms = _without_signs(terms)
    if len(terms) > MOST_TERMS:
        raise InvalidInput(q=f"Search for at most {MOST_TERMS} words at a time.")
    since, until = _span(said, now)
    return Question(
        terms=tuple(terms),
        authors=_people(said["from"]),
        unwanted_authors=_people(said["-from"]),
        rooms=_rooms(said["in"]),
        unwanted_rooms=_rooms(said["-in"]),
        since=since,
        until=until,
        kinds=_kinds(said["has"]),
        unwanted_kinds=_kinds(said["-has"]),
        file_names=tuple(map(bare, said["filename"])),
        unwanted_file_names=tuple(map(bare, said["-filename"])),
    )


def _terms_and_operators(typed: str) -> tuple[list[Term], dict[str, list[str]]]:
    """Return the terms of a search, and the values of each operator: those of `-in:` under "-in"."""
    terms: list[Term] = []
    said: dict[str, list[str]] = {minus + operator: [] for operator in _OPERATORS for minus in ("", "-")}
    for minus, operator, raw in _PART.findall(typed):
        value = raw.strip('"').strip()
        text = _without_punctuation(bare(value).rstrip(VARIANT))
        if operator:
            said[minus + operator.lower()].append(value)
        elif text:
            terms.append(Term(text, raw.startswith('"'), bool(minus)))
    return terms, said


def _span(said: dict[str, list[str]], now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the moments `since` and `until` of a search, None where it names no day."""
    since = [_start("after", day, now, days=1) for day in said["after"]]
    since += [_start("before", day, now) for day in said["-before"]]
    until = [_start("before", day, now) for day in said["before"]]
    until += [_start("after", day, now, days=1) for day in said["-after"]]
    return max(since, default=None), min(until, default=None)


def _kinds(named: list[str]) -> frozenset[Kind]:
    """Return the kinds that `has:` names; raises `InvalidInput` for an unknown one."""
    for kind in named:
        if kind.lower() not in _KINDS:
            raise InvalidInput(q=f"“has:{kind}” is unknown. Use has:link, has:file or has:image.")
    return frozenset(_KINDS[kind.lower()] for kind in named)


def _without_punctuation(text: str) -> str:
    """Drop the punctuation of the sentence, unless there is nothing else: `(really?)`, but not `.net` or `c++`."""
    return text.lstrip("([{¿¡“‘«'").rstrip(".,;:!?)]}…”’»'") or text


def _without_signs(terms: list[Term]) -> list[Term]:
    """Drop signs, which stand between words (`salt & pepper`, `a -> b`), unless there are no other terms."""
    if all(term.is_sign or term.is_unwanted for term in terms):
        return terms
    # A sign after a minus was meant as a term (`party -🎉`), except in `--` and `->`.
    return [term for term in terms if not term.is_sign or (term.is_unwanted and not term.text.isascii())]


def _people(names: list[str]) -> tuple[str, ...]:
    return tuple(bare(name.lstrip("@")) for name in names)


def _rooms(names: list[str]) -> tuple[str, ...]:
    return tuple(bare(name.lstrip("#")) for name in names)


def _start(operator: str, text: str, now: datetime, days: int = 0) -> datetime:
    """Return the moment at which a day begins, or the day `days` later; raises `InvalidInput` for no such day."""
    today = now.date()
    try:
        day = {"today": today, "yesterday": today - timedelta(days=1)}.get(text.lower()) or date.fromisoformat(text)
        return datetime.combine(day + timedelta(days=days), time(), now.tzinfo).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(q=f"Write a date after {operator}:, such as {operator}:{today} or “today”.") from None
