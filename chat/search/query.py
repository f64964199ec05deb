"""What people type into the search: words, "phrases", and where to look for them."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from chat.errors import InvalidInput
from chat.messages.emoji import VARIANT
from chat.search.folding import folded, is_syllabic
from chat.text import single_line

LONGEST = 300
MOST_TERMS = 20
SHORTEST_SUBSTRING = 3  # characters: pg_trgm knows text by threes

_OPERATORS = ("from", "in", "before", "after", "has")
_PART = re.compile(rf'(-?)(?:({"|".join(_OPERATORS)}):)?("[^"]*"?|\S+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase, folded, that is to be there, or not to."""

    text: str
    is_phrase: bool = False
    is_unwanted: bool = False

    @property
    def is_sign(self) -> bool:
        """Whether it has no letter or digit, so that it is no word: `&`, `–`, `🎉`."""
        return not any(map(str.isalnum, self.text))

    @property
    def is_substring(self) -> bool:
        """Whether it is looked for within words, too."""
        return self.is_sign or len(self.text) >= SHORTEST_SUBSTRING

    @property
    def pattern(self) -> str:
        """A regular expression for where it stands in folded text."""
        escaped = r"\s+".join(map(re.escape, self.text.split()))
        return escaped if self.is_substring or is_syllabic(self.text) else rf"(?<!\w){escaped}"


@dataclass(frozen=True, slots=True)
class Question:
    """A search as typed, understood. `since` is the first moment that is wanted, `until` the first that is not."""

    terms: tuple[Term, ...]
    authors: tuple[str, ...]
    unwanted_authors: tuple[str, ...]
    rooms: tuple[str, ...]
    unwanted_rooms: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    wants_link: bool
    wants_no_link: bool

    @property
    def wanted(self) -> tuple[Term, ...]:
        """What has to be there."""
        return tuple(term for term in self.terms if not term.is_unwanted)


def understood(typed: str, now: datetime) -> Question:
    """The question in what somebody typed, whose days are those of `now`'s zone; raises `InvalidInput` for `q`."""
    typed = single_line(typed)
    if len(typed) > LONGEST:
        raise InvalidInput(q=f"Use at most {LONGEST} characters.")
    terms: list[Term] = []
    said: dict[str, list[str]] = {minus + operator: [] for operator in _OPERATORS for minus in ("", "-")}
    for minus, operator, raw in _PART.findall(typed):
        value = raw.strip('"').strip()
        text = folded(value).rstrip(VARIANT)
        if operator:
            said[minus + operator.lower()].append(value)
        elif text:
            terms.append(Term(text, raw.startswith('"'), bool(minus)))
    if not terms and not any(said.values()):
        raise InvalidInput(q="There is nothing to search for in this. Type a word.")
    terms = _that_matter(terms)
    if len(terms) > MOST_TERMS:
        raise InvalidInput(q=f"Search for at most {MOST_TERMS} words at a time.")
    for thing in said["has"] + said["-has"]:
        if thing.lower() not in ("link", "links"):
            raise InvalidInput(q=f"“has:{thing}” is unknown. Use has:link.")
    since = [_start("after", day, now, days=1) for day in said["after"]]
    since += [_start("before", day, now) for day in said["-before"]]
    until = [_start("before", day, now) for day in said["before"]]
    until += [_start("after", day, now, days=1) for day in said["-after"]]
    return Question(
        terms=tuple(terms),
        authors=_people(said["from"]),
        unwanted_authors=_people(said["-from"]),
        rooms=_rooms(said["in"]),
        unwanted_rooms=_rooms(said["-in"]),
        since=max(since, default=None),
        until=min(until, default=None),
        wants_link=bool(said["has"]),
        wants_no_link=bool(said["-has"]),
    )


def _that_matter(terms: list[Term]) -> list[Term]:
    """Signs stand between words (`salt & pepper`, `a -> b`); they are looked for when there is nothing else."""
    if all(term.is_sign or term.is_unwanted for term in terms):
        return terms
    # What follows a minus here, other than in `--` or `->`, cannot stand between words: `party -🎉`.
    return [term for term in terms if not term.is_sign or (term.is_unwanted and not term.text.isascii())]


def _people(names: list[str]) -> tuple[str, ...]:
    return tuple(name.lstrip("@").lower() for name in names)


def _rooms(names: list[str]) -> tuple[str, ...]:
    return tuple(name.lstrip("#").lower() for name in names)


def _start(operator: str, text: str, now: datetime, days: int = 0) -> datetime:
    """When a day, or the one some days later, begins; raises `InvalidInput` where there is none, or no such moment."""
    today = now.date()
    try:
        day = {"today": today, "yesterday": today - timedelta(days=1)}.get(text.lower()) or date.fromisoformat(text)
        return datetime.combine(day + timedelta(days=days), time(), now.tzinfo).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(q=f"Write a date after {operator}:, such as {operator}:{today} or “today”.") from None
