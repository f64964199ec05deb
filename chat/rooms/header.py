"""The header of a room's page."""

from dataclasses import dataclass, replace

from cachetools import LRUCache, cached

from chat.ids import Position, Revision
from chat.memory import MEGABYTE, size_of
from chat.rooms.online_members import Online, online_markup
from chat.rooms.room import Room
from chat.templating import Encoded, fragment

KEPT_BYTES = 4 * MEGABYTE  # some 250 headers, of about 5 kilobytes each, with their keys


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The numbers of new messages that a visitor wants to be told of, and of mentions, in other rooms."""

    wanted: int = 0
    mentions: int = 0


def header_of(room: Room, online: Online, elsewhere: Elsewhere, installation_name: str) -> Encoded:
    """Return the markup of a room's header. Most members of a room see the same one."""
    # It does not show these, which change with each message.
    shown = replace(room, revision=Revision(0), message_count=0, read_position=Position(0), role="member")
    return _markup(shown, online, elsewhere, installation_name)


# The names and faces of a list are a part of the key, which takes about as much memory as the markup.
@cached(LRUCache(KEPT_BYTES, getsizeof=lambda html: 2 * size_of(html.utf8)))
def _markup(room: Room, online: Online, elsewhere: Elsewhere, installation_name: str) -> Encoded:
    html = fragment(
        "rooms/_header.html",
        room=room,
        people=room.people,
        online=online,
        online_html=online_markup(online),
        elsewhere=elsewhere,
        installation_name=installation_name,
    )
    return Encoded(html)
