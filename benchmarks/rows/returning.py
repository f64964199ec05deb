"""Readers who all come back at once after a crash: how long it takes, and where the time goes."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.chat import Author, Chat
from benchmarks.measure import SERVER_CORE, Line, Readers, cpu, handshake, pin, spread, stamp_text
from chat.accounts.tokens import Signer
from tests.support.ports import free_port
from tests.support.server import ROOT, SECRET_KEY

READERS = 5_000
STAMP = 1
SETTLE_SECONDS = 2


@dataclass(frozen=True)
class Return:
    """The costs until all readers were back with all that they had missed: seconds, of CPU but for `took`."""

    took: float
    server: float
    database: float
    load: float


def run(repetitions: int) -> list[Line]:
    bare, without_room, in_room, behind, tokens = [], [], [], [], []
    with ExitStack() as stack:
        chat = Chat(people=READERS)
        stack.callback(chat.close)
        Author(chat, chat.servers[0]).post("what everybody has missed: " + stamp_text(STAMP))
        for _ in range(min(repetitions, 3)):
            with _accepting() as (meter, port):
                bare.append(_connect(port, [handshake(port)], [meter]))
            current = _restarted(chat)
            without_room.append(_return(chat, [each.replace("/rooms/1/", "/") for each in current]))
            in_room.append(_return(chat, _restarted(chat)))
            missed = [re.sub(r"after=\d+", "after=0", each) for each in _restarted(chat)]
            behind.append(_return(chat, missed, has_missed=True))
            tokens.append(_checking_tokens(chat))
    return _lines(bare, without_room, in_room, behind, tokens)


def _lines(
    bare: Sequence[Return],
    without_room: Sequence[Return],
    in_room: Sequence[Return],
    behind: Sequence[Return],
    tokens: Sequence[float],
) -> list[Line]:
    took = [each.took for each in behind]
    waiting = [max(0.0, each.took - each.server - each.database) for each in behind]
    shares = [each.load / each.took for each in behind]
    costs = {
        "all of it": [each.server for each in behind],
        "the connection and its handshake alone": [each.server for each in bare],
        "middleware, session, presence, lists of people and rooms": _more(without_room, bare),
        "of these, checking the token": tokens,
        "membership, and entering the room": _more(in_room, without_room),
        "what was missed": _more(behind, in_room),
        "PostgreSQL, on the same core": [each.database for each in behind],
    }
    return [
        Line(f"{READERS:,} readers back and replayed after", spread(took, " s"), "≤ 5 s", statistics.median(took) <= 5),
        *(
            Line(f"a reader back, CPU: {part}", spread([1e3 * each / READERS for each in values], " ms"), "", None)
            for part, values in costs.items()
        ),
        Line("meanwhile neither the process nor PostgreSQL ran for", spread(waiting, " s"), "", None),
        Line("the load program's share of its core", spread(shares), "< 0.9", max(shares) < 0.9),
    ]


def _more(with_it: Sequence[Return], without: Sequence[Return]) -> list[float]:
    return [more.server - less.server for more, less in zip(with_it, without, strict=True)]


def _restarted(chat: Chat) -> list[str]:
    """Restart the server after a crash, and return the handshakes of readers who have missed nothing."""
    server = chat.servers[0]
    server.kill()
    server.start()
    pin(chat.meter(server), SERVER_CORE)
    handshakes = chat.handshakes(server, READERS)
    time.sleep(SETTLE_SECONDS)
    return handshakes


def _return(chat: Chat, handshakes: Sequence[str], *, has_missed: bool = False) -> Return:
    server = chat.servers[0]
    return _connect(server.port, handshakes, [chat.meter(server), chat.postgres.processes()[0]], has_missed=has_missed)


def _connect(
    port: int, handshakes: Sequence[str], meters: Sequence[psutil.Process], *, has_missed: bool = False
) -> Return:
    before, began = [cpu(meter) for meter in meters], time.monotonic()
    readers = Readers(port, READERS, handshakes)
    if has_missed:
        readers.reached_all_at(STAMP)
    took = time.monotonic() - began
    server, *database = [cpu(meter) - start for meter, start in zip(meters, before, strict=True)]
    result = Return(took, server, sum(database), cpu(readers.meter))
    readers.close()
    time.sleep(SETTLE_SECONDS)
    return result


def _checking_tokens(chat: Chat) -> float:
    """Return the CPU seconds of checking the tokens of all readers."""
    signer, cookies = Signer(SECRET_KEY), chat.cookies(READERS)
    before = time.process_time()
    for cookie in cookies:
        assert signer.session_of(cookie.partition("=")[2], "access")
    return time.process_time() - before


@contextmanager
def _accepting() -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.references.accepting", str(port)], cwd=ROOT)
    try:
        meter = psutil.Process(process.pid)
        pin(meter, SERVER_CORE)
        time.sleep(SETTLE_SECONDS)
        yield meter, port
    finally:
        process.kill()
        process.wait()
