"""What the live engine asks of the features: it knows nothing else of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from chat.ids import MessageId, Position, Revision, RoomId, SessionId, UserId

Seat = tuple[SessionId, RoomId | None]


class SourceUnavailable(Exception):
    """The database does not answer right now."""


@dataclass(frozen=True, slots=True)
class MessageChange:
    """A message as it is since `revision`, rendered once for everybody."""

    message_id: MessageId
    posted_revision: Revision
    revision: Revision
    html: str


@dataclass(frozen=True, slots=True)
class RoomChanges:
    """A room's changes in order of revision; everything from the revision asked for up to `revision` is covered."""

    items: tuple[MessageChange, ...]
    revision: Revision


@dataclass(frozen=True, slots=True)
class Heads:
    """How far rooms are, and of which epoch: it changes when the database is restored from a backup."""

    epoch: str
    revisions: dict[RoomId, Revision]


@dataclass(frozen=True, slots=True)
class RoomCount:
    """A room somebody is in: how many messages it has, how far they have read, whether one is of the last minutes."""

    room_id: RoomId
    message_count: int
    read_position: Position
    is_recent: bool


class Source(Protocol):
    """The database, as far as the live engine sees it. Every method may raise `SourceUnavailable`."""

    async def changes(self, room_id: RoomId, after: Revision, limit: int) -> RoomChanges | None:
        """All changes after a revision; None when there are more than `limit`, or the room is gone.

        All or nothing, from one snapshot: a message posted in the first part and edited since would be missing from it,
        and look like an old one in the second.
        """

    async def heads(self, room_ids: Collection[RoomId]) -> Heads:
        """How far each of these rooms is; rooms that are gone are left out."""

    async def expelled(self, seats: Collection[Seat]) -> set[Seat]:
        """Which seats are lost: (session, None) when it has ended, (session, room) when its person left."""

    async def online_lists(self, room_ids: Collection[RoomId], online: Collection[UserId]) -> dict[RoomId, str]:
        """The markup of who is online, for each of these rooms."""

    async def statuses(self) -> dict[UserId, str]:
        """The emoji of those who say what they are about."""

    async def rooms_of(self, user_ids: Collection[UserId]) -> dict[UserId, list[RoomCount]]:
        """The rooms that these people's sidebars show numbers for."""

    async def counts_above(self, counts: Mapping[RoomId, int]) -> dict[RoomId, int]:
        """How many messages these rooms have, where they have more than this."""
