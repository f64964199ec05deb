"""Who can be meant by a name in a message."""

import re
from dataclasses import dataclass

from chat.accounts.person import Person
from chat.text import SYLLABIC

EVERYBODY = "room"

# Between letters of Kana, Han and Hangul no space tells where a name begins or ends. Here text is not folded: to those
# that are searched for one by one come single jamo and half widths, and 々 and its like and rare Han.
_UNSPACED = SYLLABIC + "\u3005-\u3007\u1100-\u11ff\u3130-\u318f\uff66-\uffdc\U00020000-\U0003ffff"
_LETTER = rf"[^\W{_UNSPACED}]"


@dataclass(frozen=True, slots=True)
class Mentionable:
    """Who can be meant in a message: people by name, and all of them together where the author may call all."""

    people: tuple[Person, ...] = ()
    everybody: bool = False

    def pattern(self) -> re.Pattern[str] | None:
        """Finds the longest name behind an @ that begins a word, in any case; None when nobody can be meant.

        In writing without spaces a word begins and ends anywhere: `ねえ@田中さん`.
        """
        names = sorted((person.name for person in self.people), key=len, reverse=True)
        names += [EVERYBODY] if self.everybody else []
        if not names:
            return None
        return re.compile(rf"(?<!{_LETTER}|@)@({'|'.join(map(re.escape, names))})(?!{_LETTER})", re.IGNORECASE)

    def named(self, name: str) -> list[Person]:
        """Those of this name, in any case; none for everybody."""
        return [person for person in self.people if person.name.lower() == name.lower()]
