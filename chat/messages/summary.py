"""What a notification says of a message."""

from chat.messages.markdown import plain
from chat.messages.message import Message
from chat.rooms.room import Room

LENGTH = 140  # characters; no system shows more


def in_short(room: Room, message: Message) -> str:
    """The beginning of a message as plain text, with who wrote it where the room's name does not say so."""
    # What an answer quotes is known to whom it tells.
    words = plain(message.body, {"blockquote"}) or plain(message.body)
    if len(words) > LENGTH:
        words = words[: LENGTH - 1] + "…"
    return words if room.kind == "direct" and len(room.people) == 1 else f"{message.author.name}: {words}"
