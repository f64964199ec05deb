"""Rendering messages as markup."""

from collections.abc import Iterable
from typing import NamedTuple

from cachetools import LRUCache
from markupsafe import Markup

from chat.live.source import MessageChange
from chat.memory import MEGABYTE, size_of
from chat.messages.message import Message
from chat.templating import Encoded, fragment

KEPT_BYTES = 8 * MEGABYTE  # some thousand ordinary messages, or the newest page of a hundred rooms


class _Rendered(NamedTuple):
    html: Markup
    size: int


_kept: LRUCache[tuple[Message, bool], _Rendered] = LRUCache(KEPT_BYTES, getsizeof=lambda rendered: rendered.size)


def markup_of(message: Message, *, is_on_page: bool = False) -> Markup:
    """Return a message's markup, which is the same for every reader.

    On a page that is loaded it has more, for browsers without scripts.
    """
    key = message, is_on_page
    kept = _kept.get(key)
    if kept is None:
        html = _rendered(message, is_on_page=is_on_page)
        kept = _Rendered(html, message.size + size_of(html))
        if kept.size <= KEPT_BYTES:
            _kept[key] = kept
    return kept.html


def new_markup_of(message: Message) -> Markup:
    """Return the markup of a new message without keeping it; its room keeps it for readers that are a little behind."""
    return _rendered(message, is_on_page=False)


def _rendered(message: Message, *, is_on_page: bool) -> Markup:
    html = fragment("messages/_message.html", message=message, is_on_page=is_on_page)
    return Markup(html)  # noqa: S704  rendered, escaped


def markup_of_page(messages: Iterable[Message]) -> Encoded:
    """Return the markup of consecutive messages on a page."""
    return Encoded("\n\n".join(markup_of(message, is_on_page=True) for message in messages))


def as_change(message: Message, html: Markup | None = None) -> MessageChange:
    """Return a message as the live engine carries it; with its markup `html`, if that is known."""
    return MessageChange(message.id, message.posted_revision, message.revision, html or markup_of(message))
