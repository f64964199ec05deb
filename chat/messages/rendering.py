"""A message as the live engine carries it."""

from chat.live.feed import Change
from chat.messages.message import Message
from chat.templating import fragment


def as_change(message: Message) -> Change:
    """The message rendered once, the same for every reader."""
    html = fragment("messages/_message.html", message=message)
    return Change(message.id, message.posted_revision, message.revision, html)
