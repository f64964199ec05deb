"""The people that a message can mention, and finding their names in its text."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from chat.accounts.person import Person
from chat.text import SYLLABIC

EVERYBODY = "room"

# Kana, Han and Hangul are written without spaces around names. Text is not folded here as it is for search, so single
# jamo, half widths, iteration marks like 々, and rare Han are added.
_UNSPACED = SYLLABIC + "\u3005-\u3007\u1100-\u11ff\u3130-\u318f\uff66-\uffdc\U00020000-\U0003ffff"
_LETTER = rf"[^\W{_UNSPACED}]"
_BEGINS = re.compile(rf"(?<!{_LETTER}|@)@")
_GOES_ON = re.compile(_LETTER)


@dataclass(frozen=True)
class Mentionable:
    """The people that a message can mention by name, and whether its author may mention all of the room."""

    people: tuple[Person, ...] = ()
    everybody: bool = False

    def names_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Find the names in a text, including the @: the longest name after each @ that begins a word.

        In writing without spaces a word begins and ends anywhere: `ねえ@田中さん`. Names are looked up in a
        dictionary: a regular expression would try each of a thousand names at each of ten thousand @.
        """
        end = 0
        for found in _BEGINS.finditer(text):
            start = found.end()
            if found.start() < end:
                continue
            for length in self._lengths:
                last = start + length
                if text[start:last].lower() in self._by_name and not _GOES_ON.match(text, last):
                    end = last
                    yield found.start(), end
                    break

    def named(self, name: str) -> list[Person]:
        """Return the people of this name in any case; none for `EVERYBODY`."""
        return self._by_name.get(name.lower(), [])

    @cached_property
    def _by_name(self) -> dict[str, list[Person]]:
        found: dict[str, list[Person]] = defaultdict(list)
        for person in self.people:
            found[person.name.lower()].append(person)
        if self.everybody:
            found.setdefault(EVERYBODY, [])
        return dict(found)

    @cached_property
    def _lengths(self) -> list[int]:
        """The lengths of the names, the longest first."""
        lengths = {len(person.name) for person in self.people} | ({len(EVERYBODY)} if self.everybody else set())
        return sorted(lengths, reverse=True)
