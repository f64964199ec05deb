"""Renders texts that may take too long, in processes that the kernel kills when their time is up.

`python -m chat.messages.worker <descriptor>` loads all languages once and then forks a worker for each socket that
comes through the descriptor. A worker answers one job after another. Before each it sets a timer of its own CPU time.
The timer's signal kills it even within a regular expression, which Python cannot interrupt. CPU time, unlike wall
time, stands still while the machine hangs. All workers end when the server process closes its sockets or is killed.
"""

import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from typing import TypedDict

from chat.accounts.person import Person
from chat.ids import UserId
from chat.messages.emoji import with_emoji
from chat.messages.highlighting import highlighted, load_languages
from chat.messages.markdown import written
from chat.messages.mentionable import Mentionable

COLOURS_SECONDS = 0.1  # ten thousand characters of an ordinary program take 0.03
MARKUP_SECONDS = 0.5  # ten thousand characters of anything else take 0.1
MOST_MEMORY = 256 * 1024 * 1024
NICENESS = 5  # the server process goes first

NUMBER = struct.Struct("!I")  # first a worker's process id, then before each job and each answer its length


class Job(TypedDict):
    """A job from the server process, as JSON."""

    body: str
    people: list[tuple[int, str]]
    everybody: bool
    in_colour: bool


class Answer(TypedDict):
    """The answer, as JSON: the parts of a `Written`, or the error."""

    html: str
    mentioned: list[int]
    mentions_room: bool
    error: str


def main() -> None:
    """Fork workers until the server process has gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The server process gets these signals as well, and needs its workers until it has shut down.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a worker's exit status is not used
    with_emoji(":tada:")
    load_languages()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        while descriptors := socket.recv_fds(orders, 1, 1)[1]:
            with socket.socket(fileno=descriptors[0]) as server:
                if os.fork() == 0:
                    orders.close()
                    _work(server)
                    os._exit(0)


def _work(server: socket.socket) -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    server.sendall(NUMBER.pack(os.getpid()))
    with server.makefile("rb") as jobs:
        while length := jobs.read(NUMBER.size):
            answer = json.dumps(_done(json.loads(jobs.read(*NUMBER.unpack(length))))).encode()
            server.sendall(NUMBER.pack(len(answer)) + answer)


def _done(job: Job) -> Answer:
    allowance = _Allowance()
    people = tuple(Person(UserId(number), name) for number, name in job["people"])
    mentionable = Mentionable(people, job["everybody"])
    try:
        made = written(job["body"], mentionable, allowance.highlighted if job["in_colour"] else None)
    except Exception as error:  # a bug in one of the parsers: the server process logs it
        return {"html": "", "mentioned": [], "mentions_room": False, "error": repr(error)}
    finally:
        _end_after(0)
    return {
        "html": made.html,
        "mentioned": sorted(made.mentioned),
        "mentions_room": made.mentions_room,
        "error": "",
    }


class _Allowance:
    """The CPU time that one job may take, and the share of highlighting."""

    def __init__(self) -> None:
        self._end = time.process_time() + MARKUP_SECONDS + COLOURS_SECONDS
        self._colours = COLOURS_SECONDS
        _end_after(MARKUP_SECONDS)

    def highlighted(self, code: str, language: str, attributes: str) -> str:
        began = time.process_time()
        _end_after(self._colours)
        markup = highlighted(code, language, attributes)
        now = time.process_time()
        self._colours = max(self._colours - (now - began), 0.001)
        _end_after(max(self._end - now, 0.001))
        return markup


def _end_after(seconds: float) -> None:
    """End this process after this much more CPU time; zero means never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
