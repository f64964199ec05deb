"""Who can be meant by a name in a message."""

import re
from dataclasses import dataclass

from chat.accounts.person import Person

EVERYBODY = "room"


@dataclass(frozen=True, slots=True)
class Mentionable:
    """Who can be meant in a message: people by name, and all of them together where the author may call all."""

    people: tuple[Person, ...] = ()
    everybody: bool = False

    def pattern(self) -> re.Pattern[str] | None:
        """Finds the longest name behind an @ that begins a word, in any case; None when nobody can be meant."""
        names = sorted((person.name for person in self.people), key=len, reverse=True)
        names += [EVERYBODY] if self.everybody else []
        if not names:
            return None
        return re.compile(rf"(?<![\w@])@({'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)

    def named(self, name: str) -> list[Person]:
        """Those of this name, in any case; none for everybody."""
        return [person for person in self.people if person.name.lower() == name.lower()]
