"""The frames that a page sends: it shows another room now, or its person posts a short text."""

import re
from dataclasses import dataclass
from uuid import UUID

from chat.ids import Revision, RoomId
from chat.text import UNREADABLE

# Numbers of more digits do not fit into the database.
_SWITCH = re.compile(rb"switch (\d{1,18}) (\d{1,18}) (\d{1,18}) (\d{1,18}) ([^ ]+)")
_POST = re.compile(rb"post (\d{1,18}) (\d{1,18}) ([0-9a-f]{32})\n(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Switch:
    """A page shows another room, or none, up to a revision, and as it was `age` seconds ago.

    `number` counts the switches of the page.
    """

    number: int
    room_id: RoomId | None
    after: Revision
    age: int
    epoch: str

    @property
    def answer(self) -> str:
        """The text after which the page receives nothing of the room that it has left."""
        return f"switched {self.number}"


@dataclass(frozen=True, slots=True)
class PagePost:
    """A short text to be posted into a room. `number` counts the posts of the page."""

    number: int
    room_id: RoomId
    client_id: UUID
    body: str

    def accepted(self, html: str) -> str:
        """Return the answer to a text that is a message now, with the message's markup."""
        return f"posted {self.number} {html}"

    @property
    def refused(self) -> str:
        """The answer to a text that was not posted. The page sends it as a form, whose answer says why."""
        return f"unposted {self.number}"


def switch_in(frame: bytes) -> Switch | None:
    """Return the switch in a page's frame, None if it has none.

    It is `switch NUMBER ROOM AFTER AGE EPOCH`, with room 0 for none.
    """
    found = _SWITCH.fullmatch(frame)
    if found is None:
        return None
    number, room_id, after, age = map(int, found.groups()[:4])
    return Switch(
        number, RoomId(room_id) if room_id else None, Revision(after), age, found[5].decode("ascii", "replace")
    )


def post_in(frame: bytes) -> PagePost | None:
    r"""Return the post in a page's frame, None if it has none.

    It is `post NUMBER ROOM CLIENT_ID`, and after a line break the text, in UTF-8.
    """
    found = _POST.fullmatch(frame)
    if found is None:
        return None
    try:
        # PostgreSQL cannot hold NUL; forms replace it, too.
        body = found[4].decode().replace("\0", UNREADABLE)
    except UnicodeDecodeError:
        return None
    return PagePost(int(found[1]), RoomId(int(found[2])), UUID(found[3].decode()), body)
