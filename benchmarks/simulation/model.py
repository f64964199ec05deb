"""A simulation of messages to a room whose readers are spread over nodes.

Each process (a node, the database, the broker, the readers' program of a node) does one job at a time. Processes share
the cores of a machine equally, also with processes of others, or each has a core of its own. Times are in seconds.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from chat.live.pace import Pace

# Eight messages in one frame cost a quarter of eight frames.
FURTHER_IN_A_FRAME = 1 / 7


@dataclass(frozen=True)
class Costs:
    """CPU seconds of each piece of work, and the time a commit waits for the disk and for wake-ups."""

    post: float  # at the author's node, with the frame for its own readers
    hint: float  # at another node: receiving a message and making its frame
    reader: float  # for each reader of a frame
    database: float  # for each post
    wait: float  # for each post, no CPU
    broker: float  # for each message
    broker_node: float  # … and each node it goes to
    load: float  # for each reader of a frame, in the program that plays the readers


@dataclass(frozen=True)
class Setup:
    """The input of a simulation. The readers and authors of a room are spread over all nodes, or over `spread`."""

    nodes: int
    readers: int
    posts_a_second: float
    rooms: int = 1
    spread: int = 0
    cores: float = float("inf")
    others: float = 0.0  # processes of others that want a core, too
    seconds: float = 60.0

    @property
    def nodes_of_a_room(self) -> int:
        return self.spread or self.nodes


@dataclass(frozen=True)
class Result:
    """Seconds from each post to its last reader, and the share of its time for which each process was busy."""

    latencies: list[float]
    busy: dict[str, float]

    def percentile(self, percent: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))] if ordered else float("inf")


@dataclass
class _Process:
    jobs: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque)
    remaining: float = 0.0
    done: float = 0.0

    def add(self, cost: float, then: Callable[[], None]) -> None:
        self.jobs.append((cost, then))
        if len(self.jobs) == 1:
            self.remaining = cost


class _Clock:
    """Processes that share cores equally, and events at given times."""

    def __init__(self, cores: float, others: float) -> None:
        self.now = 0.0
        self._cores, self._others = cores, others
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.processes: dict[str, _Process] = {}

    def at(self, moment: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(moment, self.now), next(self._order), then))

    def run(self, until: float) -> None:
        while self.now < until:
            active = [process for process in self.processes.values() if process.jobs]
            speed = min(1.0, self._cores / (len(active) + self._others)) if active else 0.0
            first = min(active, key=lambda process: process.remaining, default=None)
            ends = self.now + first.remaining / speed if first else float("inf")
            event = self._events[0][0] if self._events else float("inf")
            if min(ends, event) == float("inf"):
                return
            step = (min(ends, event) - self.now) * speed
            for process in active:
                process.remaining -= step
                process.done += step
            self.now = min(ends, event)
            if first and ends <= event:
                _, then = first.jobs.popleft()
                first.remaining = first.jobs[0][0] if first.jobs else 0.0
                then()
            else:
                heapq.heappop(self._events)[2]()


class _Room:
    """A room on a node: messages that come while a frame is not yet due go together."""

    def __init__(self, simulation: "_Simulation", node: int) -> None:
        self._simulation, self._node = simulation, node
        self._pace = Pace()
        self._unsent: list[int] = []
        self._is_sending = False

    def take(self, message: int) -> None:
        self._unsent.append(message)
        if not self._is_sending:
            self._send_when_due()

    def _send_when_due(self) -> None:
        self._is_sending = True
        clock = self._simulation.clock
        clock.at(clock.now + self._pace.wait(clock.now), self._send)

    def _send(self) -> None:
        messages, self._unsent = self._unsent, []
        self._simulation.frame(self._node, messages, self._sent)

    def _sent(self, cost: float) -> None:
        clock = self._simulation.clock
        self._pace.sent(clock.now - cost, clock.now, clock.processes[f"node {self._node}"].done)
        self._is_sending = False
        if self._unsent:
            self._send_when_due()


class _Simulation:
    def __init__(self, costs: Costs, setup: Setup, seed: int) -> None:
        self._costs, self._setup = costs, setup
        self.clock = _Clock(setup.cores, setup.others)
        names = [f"{kind} {node}" for node in range(setup.nodes) for kind in ("node", "load")]
        self.clock.processes = {name: _Process() for name in ["database", "broker", *names]}
        self._rooms = {(room, node): _Room(self, node) for room in range(setup.rooms) for node in self._nodes_of(room)}
        self._chance = random.Random(seed)
        self._posted: list[float] = []
        self._missing: dict[int, int] = {}
        self.latencies: list[float] = []
        self.clock.at(self._chance.expovariate(setup.posts_a_second), self._post)

    def _nodes_of(self, room: int) -> list[int]:
        return [(room + number) % self._setup.nodes for number in range(self._setup.nodes_of_a_room)]

    def _post(self) -> None:
        message, room = len(self._posted), self._chance.randrange(self._setup.rooms)
        node = self._chance.choice(self._nodes_of(room))
        self._posted.append(self.clock.now)
        self._missing[message] = self._setup.nodes_of_a_room
        half = self._costs.post / 2
        self._on(f"node {node}", half, lambda: self._on("database", self._costs.database, committing))

        def committing() -> None:
            self.clock.at(self.clock.now + self._costs.wait, lambda: self._on(f"node {node}", half, committed))

        def committed() -> None:
            self._rooms[room, node].take(message)
            cost = self._costs.broker + self._costs.broker_node * self._setup.nodes_of_a_room
            self._on("broker", cost, lambda: self._tell_others(message, room, node))

        self.clock.at(self.clock.now + self._chance.expovariate(self._setup.posts_a_second), self._post)

    def _tell_others(self, message: int, room: int, author: int) -> None:
        for node in self._nodes_of(room):
            if node != author:
                self._on(f"node {node}", self._costs.hint, partial(self._rooms[room, node].take, message))

    def frame(self, node: int, messages: list[int], sent: Callable[[float], None]) -> None:
        """Send messages to the readers of a node. They arrive when the readers' program has read the last frame."""
        weight = self._setup.readers / self._setup.nodes_of_a_room * (1 + (len(messages) - 1) * FURTHER_IN_A_FRAME)

        def read() -> None:
            for message in messages:
                self._missing[message] -= 1
                if not self._missing[message]:
                    self.latencies.append(self.clock.now - self._posted[message])

        def written() -> None:
            sent(cost)
            self._on(f"load {node}", 0.0, read)

        # The readers read while the node writes.
        cost = self._costs.reader * weight
        self._on(f"node {node}", cost, written)
        self._on(f"load {node}", self._costs.load * weight, lambda: None)

    def _on(self, process: str, cost: float, then: Callable[[], None]) -> None:
        self.clock.processes[process].add(cost, then)


def simulate(costs: Costs, setup: Setup, seed: int = 1) -> Result:
    """Simulate posts at random moments for the set-up's seconds."""
    simulation = _Simulation(costs, setup, seed)
    simulation.clock.run(setup.seconds)
    busy = {name: process.done / setup.seconds for name, process in simulation.clock.processes.items()}
    return Result(simulation.latencies, busy)


def capacity(costs: Costs, nodes: int, readers: int, *, rooms: int = 1, spread: int = 0) -> float:
    """Return the most posts a second of which 99 of 100 reach their last reader within a second."""

    def is_kept(rate: float) -> bool:
        seconds = min(60.0, max(3.0, 200 / rate))
        result = simulate(costs, Setup(nodes, readers, rate, rooms, spread, seconds=seconds))
        # A queue that only grows has not delayed much yet in so short a time.
        return bool(result.latencies) and result.percentile(99) < 1 and max(result.busy.values()) < 0.95

    high = 0.1
    while is_kept(high):
        high *= 3
    low = high / 3
    if high == 0.1:
        return 0.0
    while high - low > high * 0.04:
        rate = (low + high) / 2
        low, high = (rate, high) if is_kept(rate) else (low, rate)
    return low
