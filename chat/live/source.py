"""The queries that the live engine needs from the features; it knows nothing else of them."""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from chat.ids import MessageId, Position, Revision, RoomId, SessionId, UserId

Seat = tuple[SessionId, RoomId | None]


class SourceUnavailable(Exception):
    """The database does not answer right now."""


@dataclass(frozen=True, slots=True)
class MessageChange:
    """A message as it is since `revision`, rendered once for all readers."""

    message_id: MessageId
    posted_revision: Revision
    revision: Revision
    html: str


@dataclass(frozen=True, slots=True)
class RoomChanges:
    """A room's changes in order of revision, complete from the requested revision up to `revision`.

    `committed_at` is when the first of them was committed, in seconds since 1970, None if that is not known. `traces`
    are the spans that their delivery continues.
    """

    items: tuple[MessageChange, ...]
    revision: Revision
    committed_at: float | None = None
    traces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heads:
    """The rooms' revisions, and the database's epoch, which changes when it is restored from a backup."""

    epoch: str
    revisions: dict[RoomId, Revision]


@dataclass(frozen=True, slots=True)
class RoomCount:
    """A member's room: its number of messages, their read position, and whether its newest message is minutes old."""

    room_id: RoomId
    message_count: int
    read_position: Position
    is_recent: bool


class Source(Protocol):
    """The database, as far as the live engine sees it. Every method may raise `SourceUnavailable`."""

    async def changes(self, room_id: RoomId, after: Revision, limit: int) -> RoomChanges | None:
        """Return all changes after a revision; None when there are more than `limit`, or the room is gone.

        All come from one snapshot. In a replay of two parts, a message that was posted in the first part and edited in
        the second would be missing from the first, and look like an old message in the second.
        """

    async def heads(self, room_ids: Collection[RoomId]) -> Heads:
        """Return the revision of each of these rooms; deleted rooms are left out."""

    async def expelled(self, seats: AbstractSet[Seat]) -> set[Seat]:
        """Return the seats that are lost: (session, None) when it has ended, (session, room) when its person left."""

    async def online_lists(self, room_ids: Collection[RoomId], online: Collection[UserId]) -> dict[RoomId, str]:
        """Return the markup of the members online, for each of these rooms."""

    async def state(self) -> str:
        """Return a text that changes whenever something in the database does."""

    async def statuses(self) -> dict[UserId, str]:
        """Return the emoji of each person with a status."""

    async def rooms_of(self, user_ids: Collection[UserId]) -> dict[UserId, list[RoomCount]]:
        """Return the rooms whose unread counts these people's sidebars show."""

    async def counts_above(self, counts: Mapping[RoomId, int]) -> dict[RoomId, int]:
        """Return the numbers of messages of those rooms that have more than the given number."""
