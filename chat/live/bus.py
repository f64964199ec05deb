"""The bus: carries events that need no revision to every process, on one channel."""

import json
import logging
from collections.abc import Callable
from dataclasses import fields
from typing import get_args

from chat.live.brokers.broker import Broker
from chat.live.brokers.subscription import messages_of
from chat.live.events import FleetingEvent

logger = logging.getLogger(__name__)

CHANNEL = "events"
_KINDS: dict[str, Callable[..., FleetingEvent]] = {kind.__name__: kind for kind in get_args(FleetingEvent)}


class Bus:
    """Shows each event to this process at once, and then to all others. `listen` must be running."""

    def __init__(self, broadcast: Broker, node: str, show: Callable[[FleetingEvent], None]) -> None:
        self._broadcast = broadcast
        self._node = node
        self._show = show
        self._listens = False

    async def publish(self, event: FleetingEvent) -> None:
        """Show an event to every process. Never waits for the broker."""
        self._show(event)
        if self._broadcast.reaches_others(CHANNEL, than=self._listens):
            await self._broadcast.publish(CHANNEL, encode(event, self._node))

    async def listen(self) -> None:
        """Show the events of other processes until cancelled."""
        async with self._broadcast.subscribe(CHANNEL) as subscriber:
            self._listens = True
            try:
                async for text in messages_of(subscriber):
                    self._hear(text)
            finally:
                self._listens = False

    def _hear(self, text: str) -> None:
        try:
            node, event = decode(text)
        except (ValueError, KeyError, TypeError, AttributeError):
            # Another program on the broker, or a process of another version.
            logger.warning("Ignored a malformed event")
            return
        if node == self._node:
            return
        try:
            self._show(event)
        except Exception:
            # The events after it are shown all the same.
            logger.exception("Could not show an event: %s", type(event).__name__)


def encode(event: FleetingEvent, node: str) -> str:
    """Return an event and its process as JSON."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return json.dumps({"node": node, "kind": type(event).__name__, "values": values})


def decode(text: str) -> tuple[str, FleetingEvent]:
    """Return the sending process and the event; raises `ValueError`, `KeyError`, `TypeError` or `AttributeError`."""
    message = json.loads(text)
    values = {name: _as_tuple(value) for name, value in message["values"].items()}
    return message["node"], _KINDS[message["kind"]](**values)


def _as_tuple(value: object) -> object:
    """Turn JSON lists back into tuples."""
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
