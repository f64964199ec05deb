"""The figures of processes on other machines. Every process sends its own to all others over the broker."""

import logging

import anyio

from chat.live.brokers.broker import Broker
from chat.live.brokers.subscription import messages_of
from chat.metrics.figures import Figures, decode

logger = logging.getLogger(__name__)

CHANNEL = "figures"
TELL_SECONDS = 5.0
LIFETIME_SECONDS = 16.0  # a process counts as dead when three of its messages are lost


class Elsewhere:
    """The latest gauges of other processes, and their counts of the last minute."""

    def __init__(self, broadcast: Broker, node: str) -> None:
        self._broadcast = broadcast
        self._node = node
        self._told: dict[str, tuple[float, Figures]] = {}

    @property
    def is_alone(self) -> bool:
        """Tell whether no other process can hear this one."""
        return not self._broadcast.is_shared

    async def tell(self, figures: Figures) -> None:
        """Send the figures of this process to the others. Never waits for the broker."""
        brief = Figures(figures.node, figures.machine, figures.process_id, figures.started_at)
        brief.gauges, brief.recent = figures.gauges, figures.recent
        await self._broadcast.publish(CHANNEL, brief.encode().decode())

    async def listen(self) -> None:
        """Keep the figures that other processes send, until cancelled."""
        async with self._broadcast.subscribe(CHANNEL) as subscriber:
            async for text in messages_of(subscriber):
                try:
                    figures = decode(text.encode())
                except (ValueError, TypeError):
                    # Another program on the broker, or a process of another version.
                    logger.warning("Ignored malformed figures")
                    continue
                if figures.node != self._node:
                    self._forget_silent()
                    self._told[figures.node] = anyio.current_time() + LIFETIME_SECONDS, figures

    def running(self) -> list[Figures]:
        """Return the figures of the processes that sent some in the last 16 seconds."""
        self._forget_silent()
        return [figures for _, figures in self._told.values()]

    def _forget_silent(self) -> None:
        now = anyio.current_time()
        self._told = {node: told for node, told in self._told.items() if told[0] > now}
