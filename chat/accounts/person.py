"""A person as other people see them, and the visitor of a request."""

from dataclasses import dataclass
from typing import Literal

from chat.ids import SessionId, UserId

HUES = 12
RoomOrder = Literal["name", "activity"]
Theme = Literal["system", "light", "dark"]


@dataclass(frozen=True, slots=True)
class Person:
    """A person with an account, as needed for a name, an avatar and a link; `status` is read only where it is shown."""

    id: UserId
    name: str
    status: str = ""

    @property
    def initials(self) -> str:
        words = self.name.split()
        return "".join(word[0] for word in ([words[0], words[-1]] if len(words) > 1 else words)).upper()

    @property
    def hue(self) -> int:
        """The person's colour, one of twelve style classes."""
        return self.id % HUES


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor(Person):
    """The signed-in person who makes this request."""

    email: str
    is_administrator: bool
    session_id: SessionId
    rooms_by: RoomOrder = "name"
    unread_first: bool = False
    theme: Theme = "system"
    time_zone: str | None = None
    hours: int | None = None
    skin_tone: int = 0
