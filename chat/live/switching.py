"""The only frame that a page sends: its reader has switched to another room."""

from dataclasses import dataclass

from chat.ids import Revision, RoomId

LONGEST_NUMBER = 18  # digits; larger numbers do not fit into the database


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


def switch_in(text: bytes) -> Switch | None:
    """Return the switch in a page's frame, None if it is malformed.

    It is `switch NUMBER ROOM AFTER AGE EPOCH`, with room 0 for none.
    """
    word, *numbers, epoch = text.decode("ascii", "replace").split(" ") if text.count(b" ") == 5 else ["", ""]
    if word != "switch" or not all(each.isdecimal() and len(each) <= LONGEST_NUMBER for each in numbers):
        return None
    number, room_id, after, age = map(int, numbers)
    return Switch(number, RoomId(room_id) if room_id else None, Revision(after), age, epoch)
