"""What a notification says of a message."""

import html

import nh3

from chat.messages.message import Message
from chat.rooms.room import Room

LENGTH = 140  # characters; no system shows more


def in_short(room: Room, message: Message) -> str:
    """The beginning of a message as plain text, with who wrote it where the room's name does not say so."""
    # What an answer quotes is known to whom it tells.
    words = _plain(message.body, {"blockquote"}) or _plain(message.body, set())
    if len(words) > LENGTH:
        words = words[: LENGTH - 1] + "…"
    return words if room.kind == "direct" and len(room.people) == 1 else f"{message.author.name}: {words}"


def _plain(markup: str, without: set[str]) -> str:
    return " ".join(html.unescape(nh3.clean(markup, tags=set(), attributes={}, clean_content_tags=without)).split())
