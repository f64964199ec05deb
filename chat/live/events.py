"""Events that open pages show. The domain tells them; the bus carries them to every process.

An event holds ids, numbers, and markup that is the same for every reader. It passes the broker, so it holds no secret.
"""

from dataclasses import dataclass
from uuid import UUID

from chat.ids import Position, Revision, RoomId, SessionId, UserId
from chat.live.source import RoomChanges


@dataclass(frozen=True, slots=True)
class MessagesChanged:
    """Messages of a room were posted or revised. This took the room from revision `base` to `changes.revision`.

    `message_count` is the room's new number of messages, None when none was posted. `traces` are the spans that it
    continues. This is the only durable event.
    """

    room_id: RoomId
    epoch: UUID
    base: Revision
    changes: RoomChanges
    message_count: int | None = None
    traces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageCountsChanged:
    """Rooms have new numbers of messages; `counts` are pairs of a room and its number."""

    counts: tuple[tuple[RoomId, int], ...]


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """Something around a room's messages changed, such as its topic, its pins, or the right to post.

    Pages of the room show `html`; when it is "", they fetch everything around their messages. The sidebars of `members`
    reload, and so do open pages of the room's settings and pins. `is_listed` says that the list of rooms
    shows the change.
    """

    room_id: RoomId
    html: str = ""
    members: tuple[UserId, ...] = ()
    is_listed: bool = False


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """People joined or left a room, or its owners changed. Pages of the room show `html`, as in `RoomChanged`.

    `members` are the people who may see the change; None when the room has too many members to list.
    """

    room_id: RoomId
    html: str
    members: tuple[UserId, ...] | None
    arrived: tuple[UserId, ...] = ()
    left: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomDeleted:
    """A room was deleted. Its pages show `html`, and then close."""

    room_id: RoomId
    html: str
    members: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class SidebarsChanged:
    """The sidebars of these people list other rooms, or in another order."""

    user_ids: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class PagesChanged:
    """The lists on pages at these paths changed. `user_ids` are the people who may see them, None for all readers."""

    paths: tuple[str, ...]
    user_ids: tuple[UserId, ...] | None = None


@dataclass(frozen=True, slots=True)
class PersonRenamed:
    """A person has a new name, which `html` puts into every page. `directs` are the direct rooms named for them.

    `user_ids` are the people whose sidebars show the name.
    """

    html: str
    directs: tuple[RoomId, ...]
    user_ids: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class LookChanged:
    """A person has a new face, or the chat a new logo or colour. `html` puts it into every page."""

    html: str


@dataclass(frozen=True, slots=True)
class PreferencesChanged:
    """A person changed how their own pages look; `html` changes the open ones."""

    user_id: UserId
    html: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A person set or cleared their status."""

    user_id: UserId


@dataclass(frozen=True, slots=True)
class ReadPositionMoved:
    """A person has read a room up to a position."""

    user_id: UserId
    room_id: RoomId
    position: Position


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A message at `position` mentions these people."""

    user_ids: tuple[UserId, ...]
    room_id: RoomId
    position: Position


@dataclass(frozen=True, slots=True)
class SessionsEnded:
    """These sessions have ended."""

    session_ids: tuple[SessionId, ...]


@dataclass(frozen=True, slots=True)
class Typing:
    """A member is typing in a room; `html` names them."""

    room_id: RoomId
    html: str


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """The people with pages open on one process. `active` pairs a person with the seconds they still count as active.

    `leaves` says that the process is shutting down.
    """

    node: str
    online: tuple[UserId, ...]
    active: tuple[tuple[UserId, float], ...] = ()
    leaves: bool = False


FleetingEvent = (
    MessageCountsChanged
    | RoomChanged
    | MembersChanged
    | RoomDeleted
    | SidebarsChanged
    | PagesChanged
    | PersonRenamed
    | LookChanged
    | PreferencesChanged
    | StatusChanged
    | ReadPositionMoved
    | Mentioned
    | SessionsEnded
    | Typing
    | PresenceChanged
)
Event = MessagesChanged | FleetingEvent
