"""The pulse of a process: pings its websockets in turn, tells their pages that they live, and ends the silent ones.

One timer serves all. Two timers, two system calls and a parse for each connection took eight times as much of a core.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol

from chat.beat import until_beat
from chat.live.frames import HEARTBEAT

BEAT_SECONDS = 5.0
# A page that answers no ping is dropped within 27 seconds, and proxies close no connection for being silent. A page
# reconnects after a silence of a little more than twice this (live.js).
PING_BEATS = 3
PONG_BEATS = 2
# To ping so many connections takes some milliseconds. Then others are served, before the next are pinged.
PINGS_AT_ONCE = 200
PAUSE_SECONDS = 0.02


class Pinged(Protocol):
    """A connection that is pinged."""

    def ping(self, payload: bytes, frames: bytes) -> None:
        """Send `frames`: a ping with this payload, and the heartbeat of a page."""

    def end_if_silent(self) -> None:
        """End the connection if it has not answered its last ping."""


Turn = dict[Pinged, None]  # the connections that are pinged at the same beat


class Pulse:
    """The connections of this process, by turns. It beats while there are any."""

    def __init__(self) -> None:
        self._turns: list[Turn] = [{} for _ in range(PING_BEATS)]
        self._beats = 0
        self._timer: asyncio.TimerHandle | None = None

    def join(self, pinged: Pinged) -> Turn:
        """Ping a connection from now on, until it is removed from the turn returned."""
        turn = self._turns[self._beats % PING_BEATS]
        turn[pinged] = None
        if self._timer is None:
            self._wait()
        return turn

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(until_beat(BEAT_SECONDS), self._beat)

    def _beat(self) -> None:
        self._timer = None
        if any(self._turns):
            self._wait()
        self._beats += 1
        for pinged in list(self._turns[(self._beats - PONG_BEATS) % PING_BEATS]):
            pinged.end_if_silent()
        self._ping(list(self._turns[self._beats % PING_BEATS]), os.urandom(4))

    def _ping(self, due: Sequence[Pinged], payload: bytes) -> None:
        frames = b"\x89\x04" + payload + HEARTBEAT
        for pinged in due[:PINGS_AT_ONCE]:
            pinged.ping(payload, frames)
        if later := due[PINGS_AT_ONCE:]:
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._ping, later, payload)
