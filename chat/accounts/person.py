"""A person as other people see them, and the visitor of a request."""

from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

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
    face: UUID | None = None

    @property
    def face_path(self) -> str:
        """The address of the person's picture, without its size; "" if they have none."""
        return face_path(f"/people/{self.id}", self.face)

    @property
    def initials(self) -> str:
        words = self.name.split()
        return "".join(word[0] for word in ([words[0], words[-1]] if len(words) > 1 else words)).upper()

    @property
    def hue(self) -> int:
        """The person's colour, one of twelve style classes."""
        return self.id % HUES


def face_path(owner: str, key: UUID | None) -> str:
    """Return the address of a picture below its owner's, without its size. Another picture has another address."""
    return f"{owner}/faces/{version_of(key)}" if key else ""


def version_of(key: UUID) -> str:
    """Return the part of an object's key that is in the address of a picture."""
    return key.hex[:12]


class Author(Protocol):
    """Somebody who writes, by their session."""

    @property
    def id(self) -> UserId: ...

    @property
    def session_id(self) -> SessionId: ...


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
    version: str = field(default="", compare=False)  # as of accounts/sessions.py
