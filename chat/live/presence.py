"""Presence: the people online and idle. Processes tell each other theirs; those of a silent process expire."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

import anyio

from chat.beat import REST, beat, beat_or_rest, until_beat
from chat.ids import UserId
from chat.live.bus import Bus
from chat.live.events import PresenceChanged
from chat.supervision import Failures, supervised

HEARTBEAT_SECONDS = 5.0
LIFETIME_SECONDS = 16.0  # three heartbeats may be lost before a process counts as dead
LINGER_SECONDS = 4.0  # between two pages a person has no socket for a moment
IDLE_SECONDS = 300.0  # a person who has not touched a page for this long is idle
FORGET_SECONDS = 1.0
GATHER_SECONDS = 0.2  # arrivals within this time are sent together


State = Literal["online", "idle", "offline"]


class Presence:
    """The people online on any process. `run` must be running. `on_change` is called when they may have changed."""

    def __init__(self, bus: Bus, node: str, on_change: Callable[[], None]) -> None:
        self._bus = bus
        self._node = node
        self._on_change = on_change
        self._sockets: Counter[UserId] = Counter()
        self._leaving: dict[UserId, float] = {}
        self._others: dict[str, tuple[float, frozenset[UserId]]] = {}
        # The time until which a person counts as active: by their pages here, and by their pages on any process.
        self._touched: dict[UserId, float] = {}
        self._active: dict[UserId, float] = {}
        self._changed = anyio.Event()

    def online(self) -> set[UserId]:
        """Return all people with a page open, on any process."""
        return set(self._sockets).union(self._leaving, *(people for _, people in self._others.values()))

    def state_of(self, user_id: UserId) -> State:
        """Return a person's presence."""
        is_elsewhere = any(user_id in people for _, people in self._others.values())
        if not (user_id in self._sockets or user_id in self._leaving or is_elsewhere):
            return "offline"
        return "online" if user_id in self._active else "idle"

    def idle(self) -> set[UserId]:
        """Return the online people who have not touched a page for a while."""
        return self.online().difference(self._active)

    def touch(self, user_id: UserId) -> None:
        """Note that a person is using one of their pages."""
        REST.end()
        if user_id not in self._active:
            self._changed.set()
        self._touched[user_id] = self._active[user_id] = anyio.current_time() + IDLE_SECONDS

    def arrive(self, user_id: UserId, *, is_active: bool) -> None:
        """Count a person as online while they have a socket open; as idle, unless they have just used its page."""
        REST.end()
        if is_active:
            self.touch(user_id)
        self._sockets[user_id] += 1
        self._leaving.pop(user_id, None)
        if self._sockets[user_id] == 1:
            self._changed.set()

    def depart(self, user_id: UserId) -> None:
        """Note that one of a person's sockets has closed; they stay online for `LINGER_SECONDS`."""
        REST.end()
        self._sockets[user_id] -= 1
        if not self._sockets[user_id]:
            del self._sockets[user_id]
            self._leaving[user_id] = anyio.current_time() + LINGER_SECONDS

    async def run(self, failures: Failures | None = None) -> None:
        """Tell the other processes the people here, and forget silent processes, until cancelled."""
        async with supervised(failures) as tasks:
            tasks.keep(self._beat, "presence heartbeat")
            tasks.keep(self._forget, "presence expiry")

    async def leave(self) -> None:
        """Tell the other processes that this process is shutting down."""
        await self._bus.publish(PresenceChanged(self._node, online=(), leaves=True))

    async def _beat(self) -> None:
        while True:
            with anyio.move_on_after(until_beat(HEARTBEAT_SECONDS)):
                await self._changed.wait()
                await anyio.sleep(GATHER_SECONDS)
            if self._changed.is_set():
                self._changed = anyio.Event()
                self._on_change()
            here, now = tuple({*self._sockets, *self._leaving}), anyio.current_time()
            active = tuple((user_id, round(until - now, 1)) for user_id, until in self._touched.items())
            await self._bus.publish(PresenceChanged(self._node, here, active))

    async def _forget(self) -> None:
        while True:
            await (beat if self._others else beat_or_rest)(FORGET_SECONDS)
            now = anyio.current_time()
            gone = _expired(self._leaving, now)
            silent = [node for node, (deadline, _) in self._others.items() if deadline <= now]
            for user_id in gone:
                del self._leaving[user_id]
            for node in silent:
                del self._others[node]
            rested = _expired(self._active, now)
            for known, expired in ((self._active, rested), (self._touched, _expired(self._touched, now))):
                for user_id in expired:
                    del known[user_id]
            if gone or silent or rested:
                self._changed.set()

    def hear(self, event: PresenceChanged) -> None:
        """Note the people on another process."""
        if event.node == self._node:
            return
        now, idle, people = anyio.current_time(), self.idle(), frozenset(event.online)
        for user_id, rest in event.active:
            self._active[user_id] = max(self._active.get(user_id, 0), now + min(rest, IDLE_SECONDS))
        if event.leaves:
            changed = self._others.pop(event.node, None) is not None
        else:
            known = self._others.get(event.node)
            self._others[event.node] = (now + LIFETIME_SECONDS, people)
            changed = known is None or known[1] != people
            if known is None:
                # A new process does not know the people here yet.
                self._changed.set()
        if changed or self.idle() != idle:
            self._on_change()


def _expired(known: Mapping[UserId, float], now: float) -> list[UserId]:
    return [user_id for user_id, until in known.items() if until <= now]
