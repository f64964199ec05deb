"""Rendering messages as markup."""

from collections.abc import Iterable
from typing import NamedTuple

from cachetools import LRUCache
from markupsafe import Markup

from chat.live.source import MessageChange
from chat.memory import MEGABYTE, size_of
from chat.messages.message import Message
from chat.templating import fragment

KEPT_BYTES = 8 * MEGABYTE  # some thousand ordinary messages, or the newest page of a hundred rooms


class _Rendered(NamedTuple):
    html: Markup
    size: int


_kept: LRUCache[Message, _Rendered] = LRUCache(KEPT_BYTES, getsizeof=lambda rendered: rendered.size)


def markup_of(message: Message) -> Markup:
    """Return a message's markup, which is the same for every reader and every page."""
    kept = _kept.get(message)
    if kept is None:
        html = Markup(fragment("messages/_message.html", message=message))  # noqa: S704  rendered, escaped
        kept = _Rendered(html, message.size + size_of(html))
        if kept.size <= KEPT_BYTES:
            _kept[message] = kept
    return kept.html


def markup_of_page(messages: Iterable[Message]) -> Markup:
    """Return the markup of consecutive messages on a page."""
    return Markup("\n\n").join(map(markup_of, messages))


def as_change(message: Message) -> MessageChange:
    """Return a message as the live engine carries it."""
    return MessageChange(message.id, message.posted_revision, message.revision, markup_of(message))
