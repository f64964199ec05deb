"""The header of a room's page, which members share while nothing in it changes."""

from dataclasses import replace

from chat.ids import Position, Revision, RoomId
from chat.rooms.header import Elsewhere, header_of
from chat.rooms.online_members import Online
from chat.rooms.room import Room
from tests.support.people import Person
from tests.support.server import ChatServer

ROOM = Room(
    id=RoomId(7),
    kind="open",
    name="Hall",
    has_name=True,
    revision=Revision(1),
    message_count=1,
    member_count=2,
    role="member",
    read_position=Position(1),
    topic="",
    description="",
    posting="everybody",
    slow_seconds=0,
    shows_previews=True,
    is_archived=False,
    pinned_count=0,
    level="mentions",
    is_favourite=False,
    people=(),
    face=None,
)
NOBODY, NOTHING = Online((), 0), Elsewhere()


def header(room: Room, elsewhere: Elsewhere = NOTHING) -> bytes:
    return header_of(room, NOBODY, elsewhere, "Team").utf8


def test_a_header_shows_what_its_room_is_now() -> None:
    changed = [
        replace(ROOM, name="Kitchen"),
        replace(ROOM, topic="Soup"),
        replace(ROOM, member_count=3),
        replace(ROOM, pinned_count=1),
        replace(ROOM, level="nothing"),
        replace(ROOM, is_favourite=True),
        replace(ROOM, is_archived=True),
        replace(ROOM, kind="closed"),
    ]
    shown = [header(room) for room in (ROOM, *changed)]
    assert len(set(shown)) == len(shown)
    assert header(ROOM) == shown[0]
    assert header(ROOM, Elsewhere(wanted=3)) != header(ROOM, Elsewhere(mentions=3)) != shown[0]


def test_messages_leave_the_header_as_it_is() -> None:
    """Else it would be rendered again for each of them."""
    later = replace(ROOM, revision=Revision(2), message_count=2, read_position=Position(2))
    assert header(later) is header(ROOM)


def test_each_member_sees_their_own_choices_in_the_header(server: ChatServer, alice: Person, bob: Person) -> None:
    alice.submit("/rooms/1/favourite", {"favourite": "yes"})
    bob.submit("/rooms/1/level", {"level": "nothing"})
    hers, his = (person.get("/rooms/1").text for person in (alice, bob))
    assert 'title="Notifications: Mute"' in his
    assert 'title="Notifications: Mute"' not in hers
    assert "Remove from favourites" in " ".join(hers.split())
    assert "Remove from favourites" not in " ".join(his.split())
