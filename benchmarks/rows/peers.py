"""simplechat beside other chat servers: the same work in turn, on one core with their database."""

import asyncio
import itertools
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import psutil
import uvloop

from benchmarks.chat import Chat
from benchmarks.measure import LOAD_CORE, SERVER_CORE, Line, spread
from benchmarks.peers import work
from benchmarks.peers.ejabberd import Ejabberd
from benchmarks.peers.installed import on_core
from benchmarks.peers.ngircd import Ngircd
from benchmarks.peers.peer import Peer
from benchmarks.peers.prosody import Prosody
from benchmarks.peers.simplechat import Simplechat
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.synapse import Synapse
from benchmarks.peers.work import Work
from benchmarks.programs import NotHere
from benchmarks.report import PEERS, write_part

OTHERS: dict[str, Callable[[Sizes], Peer]] = {
    "ejabberd": Ejabberd,
    "prosody": Prosody,
    "ngircd": Ngircd,
    "synapse": Synapse,
}
KINDS, OF_HISTORY = ("be_idle", "post", "fan_out", "read", "come_back"), {"post", "read"}
INTRODUCTION = """## Beside other chat servers

`python -m benchmarks peers` does the same work with every server in turn. Rounds: {repetitions}. If there are several,
a cell has the median, the least and the greatest figure. What follows × is simplechat's median as a multiple of that
server's. Each server that keeps messages has a PostgreSQL of its own, on the same core. CPU is that of both, with all
that this PostgreSQL does by itself, such as its autovacuum. The other servers and their databases stand still
meanwhile. The load runs on the other core: one light client of raw sockets, the same for all. Slow servers do less of
the work: it ends after 15 seconds. The load average was {load:.2g}. What is over 2 is other work on the two cores: it
lengthens latencies and lowers rates, and makes CPU figures a little worse. The rows of CPU, bytes and memory are the
ones to trust then.

- **simplechat** is one process without a broker. A post goes over the websocket of its author's page, as pages send
  short texts, and is confirmed there; the newest messages are a whole page, with its sidebar. A page that comes back
  opens its websocket again and gets what it has missed.
- **ejabberd** and **prosody** speak XMPP over plain TCP, without encryption, shapers and limits, and only with the
  modules for rooms and their archive. Archives are in PostgreSQL, as durable as simplechat's; ejabberd runs with
  `+sbwt none`. The newest messages are a query of the archive. Passwords are plain text, so signing in is cheap.
- **ngircd** has no penalties and no limits. It stores nothing, so there is nothing to read or to catch up on. Ten
  people connect at a time instead of a hundred, because its listener queues no more.
- **synapse** has no limits, no presence and no federation. Members poll for news from a place in the history, so nobody
  loads a room first. The bytes include the headers of HTTP.
- 1,000 people are idle. When the last has come, the database is vacuumed and writes a checkpoint. Then each server gets
  a minute to settle, and its CPU is counted over the minute after that. What it costs to come is not in it.
- People post and are idle in 10 rooms; 20 of them post. The large room has 300 readers. 500 people return to one room
  after a crash, and have missed 20 messages. XMPP and IRC announce each of them to everybody in the room, which is most
  of that work.

"""
MOST = {work.LAST_50: 25.0, work.LAST_99: 100.0, work.BYTES: 500.0, work.MEMORY: 10.0, work.IDLE: 0.3}
MOST_OF_EJABBERD = {work.POST: 1.0, work.LONE: 2.0, work.DELIVERY: 0.5, work.PAGE: 0.5}


@dataclass
class Contestant:
    """A server, and what was measured in each repetition."""

    peer: Peer
    figures: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, each: Work, kind: str) -> None:
        """Measure one kind of work."""
        with on_core(LOAD_CORE), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for figure, value in runner.run(getattr(each, kind)(self.peer)).items():
                self.figures.setdefault(figure, []).append(value)


def run(repetitions: int) -> list[Line]:
    sizes = Sizes()
    contestants, missing, load = measured(sizes, repetitions)
    write_part(PEERS, _section(contestants, repetitions, load))
    ours, *others = contestants
    lines = [
        _line(contestant, figure, values) for contestant in contestants for figure, values in contestant.figures.items()
    ]
    for other in others:
        lines += [_ratio(ours, other, figure) for figure in other.figures]
    return lines + missing


def measured(sizes: Sizes, repetitions: int) -> tuple[list[Contestant], list[Line], float]:
    """Measure every server that is installed, simplechat first; name the others, and return the load meanwhile."""
    loads = []
    with ExitStack() as stack:
        with on_core(SERVER_CORE):
            chat = Chat(people=sizes.people, rooms=sizes.returning_room + 1, broker=False)
        stack.callback(chat.close)
        started, missing = _start_others(sizes, stack)
        contestants = [Contestant(Simplechat(chat, sizes.members())), *started]
        each = Work(sizes)
        for _, kind, contestant in itertools.product(range(repetitions), KINDS, contestants):
            if contestant.peer.keeps or kind not in OF_HISTORY:
                others = [other.peer.everything() for other in contestants if other is not contestant]
                with standing_still(list(itertools.chain(*others))):
                    contestant.measure(each, kind)
                loads.append(os.getloadavg()[0])
    return contestants, missing, statistics.median(loads)


@contextmanager
def standing_still(servers: Sequence[psutil.Process]) -> Iterator[None]:
    """Stop servers and their databases for a while: what they do when they are idle would disturb the one at work."""
    try:
        for process in servers:
            with suppress(psutil.NoSuchProcess):  # a worker of a database may just have ended
                process.suspend()
        yield
    finally:
        for process in servers:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _start_others(sizes: Sizes, stack: ExitStack) -> tuple[list[Contestant], list[Line]]:
    others, missing = [], []
    for name, other in OTHERS.items():
        try:
            peer = other(sizes)
        except NotHere as reason:
            missing.append(Line(name, f"not measured: {reason}", "", None))
            continue
        stack.callback(peer.remove)
        peer.start()
        others.append(Contestant(peer))
    return others, missing


def _line(contestant: Contestant, figure: str, values: list[float]) -> Line:
    most = MOST.get(figure) if contestant.peer.name == "simplechat" else None
    if most is None:
        return Line(f"{figure}: {contestant.peer.name}", spread(values), "", None)
    return Line(f"{figure}: simplechat", spread(values), f"≤ {most:g}", statistics.median(values) <= most)


def _ratio(ours: Contestant, other: Contestant, figure: str) -> Line:
    ratios = [mine / theirs for mine, theirs in zip(ours.figures[figure], other.figures[figure], strict=True) if theirs]
    most = MOST_OF_EJABBERD.get(figure) if other.peer.name == "ejabberd" else None
    work_done = f"{figure}, against {other.peer.name}"
    if not ratios:
        return Line(work_done, "not measured: it took none", "", None)
    if most is None:
        return Line(work_done, f"× {spread(ratios)}", "", None)
    return Line(work_done, f"× {spread(ratios)}", f"≤ {most:g}", statistics.median(ratios) <= most)


def _section(contestants: list[Contestant], repetitions: int, load: float) -> str:
    """Return a table with a row for each figure and a column for each server, with simplechat's ratio to it."""
    ours = contestants[0]
    rows = [
        ["work", *(f"{each.peer.name} {each.peer.version}" for each in contestants)],
        ["---"] * (len(contestants) + 1),
        *([figure, *(_cell(ours, each, figure) for each in contestants)] for figure in ours.figures),
    ]
    text = INTRODUCTION.format(repetitions=repetitions, load=load)
    return text + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(ours: Contestant, other: Contestant, figure: str) -> str:
    if figure not in other.figures:
        return "–"
    values = other.figures[figure]
    middle, least, most = map(_number, (statistics.median(values), min(values), max(values)))
    text = middle if len(values) == 1 else f"{middle} ({least} – {most})"
    if other is ours or not statistics.median(values):
        return text
    return f"{text}; × {statistics.median(ours.figures[figure]) / statistics.median(values):.2g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
