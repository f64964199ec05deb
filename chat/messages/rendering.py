"""A message as markup."""

from collections.abc import Iterable
from functools import lru_cache

from markupsafe import Markup

from chat.live.feed import Change
from chat.messages.message import Message
from chat.templating import fragment

KEPT = 10_000  # messages, of about a kilobyte each


@lru_cache(maxsize=KEPT)
def markup_of(message: Message) -> Markup:
    """The message rendered once, the same for every reader and every page."""
    return Markup(fragment("messages/_message.html", message=message))  # noqa: S704  rendered, escaped


def markup_of_page(messages: Iterable[Message]) -> Markup:
    """Consecutive messages as they stand on a page."""
    return Markup("\n\n").join(map(markup_of, messages))


def as_change(message: Message) -> Change:
    """The message as the live engine carries it."""
    return Change(message.id, message.posted_revision, message.revision, markup_of(message))
