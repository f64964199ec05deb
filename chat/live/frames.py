"""The frames that pages receive. A frame is encoded once for all its readers."""

from collections.abc import Iterable
from itertools import groupby

from chat.ids import Revision
from chat.live.source import MessageChange


def encode_frame(text: str) -> bytes:
    """Return an unmasked, uncompressed text frame (RFC 6455, 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


def frame_of_changes(changes: Iterable[MessageChange], cursor: Revision, reached: Revision) -> bytes:
    """Return a frame that takes a page from `cursor` to `reached`.

    A message posted after `cursor` is new to the page: `upsert` sorts it in by id. An older message is morphed where it
    is loaded, and ignored elsewhere. Most frames are nothing but new messages up to `reached`: live.js knows by those
    where they go, and where they take the page. The `<chat-cursor>` element of other frames tells it.
    """
    # A message with several changes in the frame is sent once, as it is now.
    latest = list({change.message_id: change for change in changes}.values())
    if latest and latest[-1].revision == reached and all(change.posted_revision > cursor for change in latest):
        return encode_frame("".join(change.html for change in latest))
    parts = []
    for is_new, group in groupby(latest, lambda change: change.posted_revision > cursor):
        if is_new:
            parts.append(upserted("".join(change.html for change in group)))
        else:
            parts += [
                f'<hx-partial hx-target="#m-{change.message_id}" hx-swap="outerMorph">{change.html}</hx-partial>'
                for change in group
            ]
    return encode_frame(f'{"".join(parts)}<chat-cursor data-cursor="{reached}"></chat-cursor>')


def upserted(messages: str) -> str:
    """Return markup that sorts messages into the page's list, or takes the place of those that it shows already."""
    return f'<hx-partial hx-target="#messages" hx-swap="upsert">{messages}</hx-partial>'


def payload_of(frame: bytes) -> str:
    """Return the text of a frame, for servers that encode frames themselves."""
    header = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[header:].decode()


# Browsers hide pings from a page; this frame tells it that its connection is alive. htmx swaps nothing for JSON without
# content.
HEARTBEAT = encode_frame("{}")
