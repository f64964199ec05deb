"""The people that a message can mention, and finding their names in its text."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from chat.accounts.person import Person
from chat.folding import folded, with_places
from chat.text import UNSPACED

EVERYBODY = "room"

_LETTER = rf"[^\W{UNSPACED}]"
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
        said, places = with_places(text, folded)
        places = [*places, len(text)]
        end = 0
        for found in _BEGINS.finditer(said):
            start = found.end()
            if places[found.start()] < end:
                continue
            for length in self._lengths:
                last = min(start + length, len(said))
                is_name = said[start:last] in self._by_name
                if is_name and places[last] > places[last - 1] and not _GOES_ON.match(text, places[last]):
                    end = places[last]
                    yield places[found.start()], end
                    break

    def named(self, name: str) -> list[Person]:
        """Return the people of this name, in any case and composition; none for `EVERYBODY`."""
        return self._by_name.get(_key(name), [])

    @cached_property
    def _by_name(self) -> dict[str, list[Person]]:
        found: dict[str, list[Person]] = defaultdict(list)
        for person in self.people:
            found[_key(person.name)].append(person)
        if self.everybody:
            found.setdefault(EVERYBODY, [])
        return dict(found)

    @cached_property
    def _lengths(self) -> list[int]:
        """The lengths of the names, the longest first."""
        return sorted({len(name) for name in self._by_name}, reverse=True)


def _key(name: str) -> str:
    """Return a name folded letter by letter, as a text is."""
    return with_places(unicodedata.normalize("NFC", name), folded)[0]
