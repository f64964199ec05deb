"""The previews below a message: of pages of the internet, and of messages of this chat."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType, TypedDict

from sqlalchemy import literal_column
from sqlalchemy.dialects.postgresql import JSONB

from chat.ids import MessageId, RoomId
from chat.messages.links import host_of
from chat.messages.original import QUOTED, Original, StoredOriginal, original_from

MOST = 3
LONGEST = 2000  # characters of an address
WEIGHS = 1500  # bytes: the markup and values of a link, roughly

LinkId = NewType("LinkId", int)
PreviewId = NewType("PreviewId", int)

_PART = re.compile(r'<(/?)blockquote>|<a href="([^"]*)"')
_PERMALINK = re.compile(r"(.*?)/rooms/(\d{1,15})/messages/(\d{1,15})(?:#m-\d+)?")

# Beside `messages`; most messages need no look-up. A message of another room shows while everybody can read that room.
_LINKS = f"""
    CASE WHEN messages.link_count > 0 THEN (
        SELECT jsonb_agg(jsonb_build_object('id', link.id, 'address', link.address,
            'preview', CASE WHEN preview.id IS NOT NULL THEN jsonb_build_object('id', preview.id,
                'site', preview.site, 'title', preview.title, 'description', preview.description,
                'has_picture', preview.picture IS NOT NULL) END,
            'room_id', original.room_id,
            'original', CASE WHEN original.id IS NOT NULL THEN {QUOTED} END) ORDER BY link.place)
        FROM message_links AS link
        LEFT JOIN link_previews AS preview ON preview.id = link.preview_id
        LEFT JOIN (messages AS original
            JOIN users AS person ON person.id = original.author_id
            JOIN rooms AS its_room ON its_room.id = original.room_id
        ) ON original.id = link.quoted_id AND (original.room_id = messages.room_id OR its_room.kind = 'open')
        WHERE link.message_id = messages.id AND link.removed_at IS NULL
    ) END
"""  # noqa: S608  of a constant
LINKS = literal_column(_LINKS, JSONB).label("links")


@dataclass(frozen=True, slots=True)
class Preview:
    """The metadata of a page at the time of its fetching."""

    id: PreviewId
    site: str
    title: str
    description: str
    has_picture: bool


@dataclass(frozen=True, slots=True)
class ShownLink:
    """A link of a message, and the page or the message that it shows. `room_id` is that message's room."""

    id: LinkId
    address: str
    preview: Preview | None
    original: Original | None
    room_id: RoomId | None

    @property
    def host(self) -> str:
        """The host that the link leads to, whatever its page says."""
        return host_of(self.address)

    @property
    def name(self) -> str:
        """The name of the link in the labels of its actions."""
        return self.host if self.original is None else f"a message of {self.original.author.name}"


class _StoredPreview(TypedDict):
    id: PreviewId
    site: str
    title: str
    description: str
    has_picture: bool


class _Stored(TypedDict):
    """A link as PostgreSQL returns it."""

    id: LinkId
    address: str
    preview: _StoredPreview | None
    room_id: RoomId | None
    original: StoredOriginal | None


def links_from(stored: Sequence[_Stored] | None) -> tuple[ShownLink, ...]:
    """Return the links in a row of `select_messages`, without those whose message readers may not see."""
    return tuple(
        ShownLink(
            each["id"],
            each["address"],
            Preview(**each["preview"]) if each["preview"] else None,
            original_from(each["original"]),
            each["room_id"],
        )
        for each in stored or ()
        if each["preview"] or each["original"]
    )


def has_links(markup: str) -> bool:
    """Tell whether a message's markup has links that are not mentions."""
    return '<a href="' in markup


def addresses_in(markup: str) -> list[str]:
    """Return the first different addresses that a message's markup links to, outside of quotes."""
    found: dict[str, None] = {}
    quotes = 0
    for part in _PART.finditer(markup):
        if part[2] is None:
            quotes += -1 if part[1] else 1
            continue
        address = html.unescape(part[2])
        if not quotes and is_address(address):
            found[address] = None
    return list(found)[:MOST]


def is_address(text: str) -> bool:
    """Tell whether a text is the address of a page, or the path of a message of this chat."""
    is_path = text.startswith("/rooms/") and _PERMALINK.fullmatch(text) is not None
    return (is_path or text.startswith(("http://", "https://"))) and len(text) <= LONGEST


def permalink_in(address: str, origins: Sequence[str]) -> tuple[RoomId, MessageId] | None:
    """Return the room and the message that an address of this chat names; None if it names none."""
    found = _PERMALINK.fullmatch(address)
    if found is None or (found[1] and found[1].lower() not in origins):
        return None
    return RoomId(int(found[2])), MessageId(int(found[3]))


def is_own(address: str, origins: Sequence[str]) -> bool:
    """Tell whether an address is one of this chat's own pages."""
    return address.startswith("/") or any(f"{address}/".lower().startswith(f"{origin}/") for origin in origins)
