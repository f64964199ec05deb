"""The channels a process wants to hear, and keeping a connection in step with them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import anyio

IDLE_SECONDS = 2.0  # without a change, then the server is asked for nothing, to see whether it lives

# Joins and leaves these channels, and returns when the server has confirmed.
Ask = Callable[[set[str], set[str]], Awaitable[None]]


class Channels:
    """What is wanted, and what is confirmed on the present connection."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._confirmed: set[str] = set()
        self._waiting: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self._owes_resync = False

    async def join(self, channel: str, patience: float) -> None:
        """Want a channel, and wait for its confirmation. When `patience` runs out before, a `RESYNC` follows it."""
        self._wanted.add(channel)
        self._changed.set()
        if channel in self._confirmed:
            return
        confirmed = self._waiting.setdefault(channel, asyncio.Event())
        with anyio.move_on_after(patience) as waiting:
            await confirmed.wait()
        if waiting.cancelled_caught:
            # From now on the subscriber believes to hear everything.
            self._owes_resync = True
            self._changed.set()

    def leave(self, channel: str) -> None:
        self._wanted.discard(channel)
        self._waiting.pop(channel, None)
        self._changed.set()

    async def follow(self, ask: Ask, on_resync: Callable[[], None]) -> NoReturn:
        """Keep a new connection in step.

        `on_resync` is called when messages may have been missed, as soon as none can be missed any more.
        """
        self._confirmed.clear()
        self._owes_resync = True
        while True:
            self._changed.clear()
            owes_resync, self._owes_resync = self._owes_resync, False
            joined, left = self._wanted - self._confirmed, self._confirmed - self._wanted
            # Not after the answer: who joins one of these again meanwhile has to wait for the next.
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
