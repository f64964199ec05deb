"""The channels a process is subscribed to, kept in step with its connection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import anyio

IDLE_SECONDS = 2.0  # without a change; then an empty request checks that the server answers

# Joins and leaves these channels, and returns when the server has confirmed.
Ask = Callable[[set[str], set[str]], Awaitable[None]]


class Channels:
    """The channels wanted, and those confirmed on the present connection."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._confirmed: set[str] = set()
        self._waiting: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self._owes_resync = False

    async def join(self, channel: str, patience: float) -> None:
        """Subscribe to a channel, and wait `patience` seconds for its confirmation; a late one brings a `RESYNC`."""
        self._wanted.add(channel)
        self._changed.set()
        if channel in self._confirmed:
            return
        confirmed = self._waiting.setdefault(channel, asyncio.Event())
        with anyio.move_on_after(patience) as waiting:
            await confirmed.wait()
        if waiting.cancelled_caught:
            # The subscriber takes the channel for confirmed from here on.
            self._owes_resync = True
            self._changed.set()

    def leave(self, channel: str) -> None:
        self._wanted.discard(channel)
        self._waiting.pop(channel, None)
        self._changed.set()

    async def follow(self, ask: Ask, on_resync: Callable[[], None]) -> NoReturn:
        """Keep a new connection's channels in step with the wanted ones.

        `on_resync` is called when messages may have been missed, once the channels are confirmed.
        """
        self._confirmed.clear()
        self._owes_resync = True
        while True:
            self._changed.clear()
            owes_resync, self._owes_resync = self._owes_resync, False
            joined, left = self._wanted - self._confirmed, self._confirmed - self._wanted
            # Before the answer, so that a task that joins one of these again waits for a new confirmation.
            self._confirmed -= left
            await ask(joined, left)
            self._confirmed |= joined
            for channel in joined:
                if confirmed := self._waiting.pop(channel, None):
                    confirmed.set()
            if owes_resync:
                on_resync()
            with anyio.move_on_after(IDLE_SECONDS):
                await self._changed.wait()
