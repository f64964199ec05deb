"""Hints: what processes tell each other about the messages of a room, as JSON over the broker."""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from broadcaster._base import Subscriber

from chat.ids import Revision
from chat.live.brokers.subscription import messages_of
from chat.live.source import MessageChange, RoomChanges
from chat.memory import KILOBYTE
from chat.tracing.tracing import traces_in

logger = logging.getLogger(__name__)

LATEST = 1e11  # a time in the year 5138
MOST_HINT_BYTES = 256 * KILOBYTE  # of markup; larger hints only say that there is a change to fetch


@dataclass(frozen=True, slots=True)
class Hint:
    """The process `node` has seen a room go from revision `base` to that of `changes`, in a database of this epoch."""

    node: str
    epoch: str
    base: Revision
    changes: RoomChanges

    def encode(self) -> str:
        """Return the hint as JSON, without its markup if that is too large."""
        changes, base = self.changes, self.base
        items = [(change.message_id, change.posted_revision, change.revision, change.html) for change in changes.items]
        if sum(len(change.html) for change in changes.items) > MOST_HINT_BYTES:
            # No reader is at its base revision, so a process with readers in the room fetches the change.
            base, items = changes.revision, []
        hint = {"from": self.node, "epoch": self.epoch, "base": base, "revision": changes.revision, "items": items}
        hint["at"] = changes.committed_at
        if changes.traces:
            hint["traces"] = changes.traces
        return json.dumps(hint)


def decode(text: str) -> Hint:
    """Return a hint; raises `ValueError`, `KeyError` or `TypeError` if it is malformed."""
    hint = json.loads(text)
    items = tuple(MessageChange(*item) for item in hint["items"])
    changes = RoomChanges(items, Revision(hint["revision"]), _time_in(hint), traces_in(hint.get("traces")))
    return Hint(hint["from"], hint["epoch"], Revision(hint["base"]), changes)


def is_from(text: str, node: str) -> bool:
    """Tell whether a process has encoded a hint, without decoding it."""
    return text.startswith(f'{{"from": "{node}", ')


async def hints_of_others(subscriber: Subscriber, node: str, channel: str) -> AsyncIterator[Hint]:
    """Yield the hints on a channel of all processes but this one, `node`. Malformed hints are logged and left out."""
    async for text in messages_of(subscriber):
        if is_from(text, node):
            continue
        try:
            hint = decode(text)
        except (ValueError, KeyError, TypeError):
            # Another program on the broker, or a process of another version.
            logger.warning("Ignored a malformed hint on %s", channel)
            continue
        yield hint


def _time_in(hint: Mapping[str, object]) -> float | None:
    """Return when a hint's change was committed, None if it does not say so, as those of older versions."""
    at = hint.get("at")
    return at if isinstance(at, float) and 0 < at < LATEST else None
