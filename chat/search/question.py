"""What people type into the search: words, "phrases", and where to look for them."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from chat.errors import InvalidInput
from chat.search.folding import folded, is_syllabic
from chat.text import single_line

LONGEST = 300
MOST_TERMS = 20
SHORTEST_SUBSTRING = 3  # characters: pg_trgm knows text by threes

_PART = re.compile(r'(-?)(?:(from|in|before|after|has):)?("[^"]*"?|\S+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase, folded, that is to be there, or not to."""

    text: str
    is_phrase: bool = False
    is_unwanted: bool = False

    @property
    def is_substring(self) -> bool:
        """Whether it is looked for within words, too."""
        return len(self.text) >= SHORTEST_SUBSTRING

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
    rooms: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    wants_link: bool

    @property
    def wanted(self) -> tuple[Term, ...]:
        """What has to be there."""
        return tuple(term for term in self.terms if not term.is_unwanted)


def understood(typed: str, now: datetime) -> Question:
    """The question in what somebody typed, whose days are those of `now`'s zone; raises `InvalidInput` for `q`."""
    typed = single_line(typed)
    if len(typed) > LONGEST:
        raise InvalidInput(q=f"Use at most {LONGEST} characters.")
    today, zone = now.date(), now.tzinfo
    terms: list[Term] = []
    named: dict[str, list[str]] = {"from": [], "in": [], "before": [], "after": [], "has": []}
    for minus, operator, raw in _PART.findall(typed):
        value = raw.strip('"').strip()
        if operator and not minus:
            named[operator.lower()].append(value)
        elif folded(value):
            terms.append(Term(folded(value), raw.startswith('"'), bool(minus)))
    if len(terms) > MOST_TERMS:
        raise InvalidInput(q=f"Look for at most {MOST_TERMS} words at a time.")
    for thing in named["has"]:
        if thing.lower() not in ("link", "links"):
            raise InvalidInput(q=f"“has:{thing}” is unknown. There is has:link.")
    after = [_day("after", text, today) + timedelta(days=1) for text in named["after"]]
    before = [_day("before", text, today) for text in named["before"]]
    return Question(
        terms=tuple(terms),
        authors=tuple(name.lstrip("@").lower() for name in named["from"]),
        rooms=tuple(name.lstrip("#").lower() for name in named["in"]),
        since=_start(max(after), zone) if after else None,
        until=_start(min(before), zone) if before else None,
        wants_link=bool(named["has"]),
    )


def _day(operator: str, text: str, today: date) -> date:
    try:
        return {"today": today, "yesterday": today - timedelta(days=1)}.get(text.lower()) or date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(q=f"After {operator}: comes a day, such as {operator}:{today} or “today”.") from None


def _start(day: date, zone: tzinfo | None) -> datetime:
    return datetime.combine(day, time(), zone)
