"""The connections of this process: their limits, and closing idle ones to make room.

A stranger is a connection that has not shown a valid session yet. Strangers are limited for each address and in total,
so that members always get in. At a limit, a new connection replaces the oldest one that waits for its client, for a
request or the rest of one, so unfinished requests cannot lock people out.
"""

from collections.abc import Callable
from typing import Protocol

import anyio

from chat import audit
from chat.addresses import TrustedProxies, network_of
from chat.beat import beat

MOST_STRANGERS = 4096
# Memory of all connections together: unfinished requests, and answers that clients do not read.
MOST_HELD_BYTES = 24 * 2**20
TICK_SECONDS = 1.0
REPORT_SECONDS = 60.0


class Watched(Protocol):
    """A connection with deadlines."""

    held: int

    def check(self) -> None:
        """End it if its client is too slow."""

    def abort(self) -> None:
        """End it at once."""


class _Network:
    """The connections of one address, or of one /64 of IPv6."""

    __slots__ = ("connections", "name", "resting", "strangers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections = 0
        self.strangers = 0
        self.resting: dict[Connection, None] = {}


class Connection:
    """The place of one connection."""

    __slots__ = ("_connections", "is_member", "is_open", "make_way", "network")

    def __init__(self, connections: "Connections", network: _Network, make_way: Callable[[], None]) -> None:
        self._connections = connections
        self.network = network
        self.make_way = make_way
        self.is_member = False
        self.is_open = True

    def rest(self) -> None:
        """Note that the connection is idle, and may be closed for another from now on."""
        if self.is_open:
            self._resting()[self] = None

    def work(self) -> None:
        """Note that the client waits for the server."""
        self._resting().pop(self, None)

    def prove(self) -> None:
        """Note that a valid session was shown on it."""
        if self.is_open and not self.is_member:
            self.work()
            self.is_member = True
            self._connections.strangers -= 1
            self.network.strangers -= 1

    def note(self, reason: str) -> None:
        """Count the connection as ended for a reason, for the log."""
        self._connections.note(reason)

    def close(self) -> None:
        """Free the connection's place."""
        if not self.is_open:
            return
        self.work()
        self.is_open = False
        self._connections.forget(self)
        self.make_way = _nothing

    def _resting(self) -> "dict[Connection, None]":
        return self._connections.resting_members if self.is_member else self.network.resting


class Connections:
    """Every connection of this process. `run` must be running for the deadlines to hold."""

    def __init__(self, most: int, most_per_address: int, proxies: TrustedProxies) -> None:
        self.most = most
        self.most_strangers = min(MOST_STRANGERS, most // 2)
        self.most_per_address = most_per_address
        self._proxies = proxies
        self.count = 0
        self.strangers = 0
        self.resting_members: dict[Connection, None] = {}
        self._networks: dict[str, _Network] = {}
        self._watched: dict[Watched, None] = {}
        self.held = 0
        # Seconds in which the process ran: clients are not late while it stands still.
        self.clock = 0.0
        self._dropped: dict[str, int] = {}
        self._has_work = anyio.Event()

    def open(self, peer: str, make_way: Callable[[], None]) -> Connection | None:
        """Return a place for a new connection, perhaps by closing an idle one; None if there is no room."""
        name = network_of(peer)
        network = self._networks.get(name) or _Network(name)
        if not self._has_room(network, is_proxy=self._proxies.trusts(peer)):
            self.note("no_room")
            return None
        self._networks[name] = network
        connection = Connection(self, network, make_way)
        self.count += 1
        self.strangers += 1
        network.connections += 1
        network.strangers += 1
        return connection

    def forget(self, connection: Connection) -> None:
        """Forget a connection that has closed."""
        network = connection.network
        self.count -= 1
        network.connections -= 1
        if not connection.is_member:
            self.strangers -= 1
            network.strangers -= 1
        if not network.connections:
            self._networks.pop(network.name, None)

    def watch(self, watched: Watched) -> None:
        """Check a connection's deadlines from now on."""
        self._watched[watched] = None
        self._has_work.set()

    def unwatch(self, watched: Watched) -> None:
        """Stop checking a connection's deadlines."""
        if watched in self._watched:
            del self._watched[watched]
            self.hold(watched, 0)

    def hold(self, watched: Watched, size: int) -> None:
        """Note how many bytes a connection holds. If all together hold too much, the largest are dropped."""
        self.held += size - watched.held
        watched.held = size
        while self.held > MOST_HELD_BYTES and self._watched:
            largest = max(self._watched, key=lambda other: other.held)
            self.unwatch(largest)
            self.note("too_much_in_memory")
            largest.abort()

    def note(self, reason: str) -> None:
        """Count a connection that was ended for a reason, for the log."""
        self._dropped[reason] = self._dropped.get(reason, 0) + 1
        self._has_work.set()

    async def run(self) -> None:
        """End connections of slow clients, until cancelled, and log that once a minute."""
        last, reported = anyio.current_time(), 0.0
        while True:
            if not self._watched and not self._dropped:
                self._has_work = anyio.Event()
                await self._has_work.wait()
                last = anyio.current_time()
            await beat(TICK_SECONDS)
            now = anyio.current_time()
            self.clock += min(now - last, 2 * TICK_SECONDS)
            last = now
            for watched in list(self._watched):
                watched.check()
            if self._dropped and self.clock - reported >= REPORT_SECONDS:
                reported = self.clock
                self._report()

    def _report(self) -> None:
        dropped, self._dropped = self._dropped, {}
        audit.record(
            "connections_dropped", open=self.count, **{name.replace(" ", "_"): n for name, n in dropped.items()}
        )

    def _has_room(self, network: _Network, *, is_proxy: bool) -> bool:
        if not is_proxy and network.strangers >= self.most_per_address and not self._clear(network):
            return False
        if self.strangers >= self.most_strangers and not self._clear(self._most_crowded()):
            return False
        return self.count < self.most or self._clear(self._most_crowded()) or self._let_make_way(self.resting_members)

    def _most_crowded(self) -> _Network | None:
        return max(self._networks.values(), key=lambda network: len(network.resting), default=None)

    def _clear(self, network: _Network | None) -> bool:
        """Close the longest idle stranger of a network; return whether there was one."""
        return network is not None and self._let_make_way(network.resting)

    def _let_make_way(self, resting: dict[Connection, None]) -> bool:
        oldest = next(iter(resting), None)
        if oldest is None:
            return False
        make_way = oldest.make_way
        oldest.close()
        self.note("made_way")
        make_way()
        return True


def _nothing() -> None:
    pass
