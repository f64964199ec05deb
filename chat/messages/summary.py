"""The text of a notification about a message."""

from chat.files.phrase import phrase_of
from chat.messages.markdown import plain
from chat.messages.message import Message
from chat.rooms.room import Room

LENGTH = 140  # characters; no system shows more


def summary_of(room: Room, message: Message) -> str:
    """Return the beginning of a message as plain text, with its author unless the room is named for them."""
    # The reader of an answer knows the message it quotes.
    words = plain(message.body, {"blockquote"}) or plain(message.body) or phrase_of(message.files)
    if len(words) > LENGTH:
        words = words[: LENGTH - 1] + "…"
    return words if room.kind == "direct" and len(room.people) == 1 else f"{message.author.name}: {words}"
