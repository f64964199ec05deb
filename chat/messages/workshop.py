"""Renders texts as markup, so that no slow text delays other people.

A short and harmless text is rendered at once. Any other text goes to a worker process (`chat.messages.worker`), which
is killed if it takes too long. Then the text is rendered without colours, and if that takes too long as well, as plain
text. Each person has at most one busy worker, so an author of many slow texts delays only themselves.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from weakref import WeakValueDictionary

from markupsafe import Markup

from chat import audit
from chat.ids import UserId
from chat.messages.highlighting import has_colours
from chat.messages.markdown import NOBODY, Written, as_typed, is_brief, written
from chat.messages.mentionable import Mentionable
from chat.messages.worker import COLOURS_SECONDS, NUMBER, Answer, Job

WORKERS = 2
MOST_WAITING = 20  # texts of one person
# Of wall time, in case the machine hangs or a worker was stopped; a worker's own limit is its CPU time.
START_SECONDS, JOB_SECONDS = 60, 20
ATTEMPTS = 3
END_SECONDS = 2
RETRY_SECONDS = 0.1

logger = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]


class Workshop:
    """Renders texts. Workers are started when the first text needs them, and end with `close`."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(WORKERS)
        self._idle: list[_Worker] = []
        self._forge = _Forge()
        self._lines: WeakValueDictionary[UserId, _Line] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._idle:
            worker.close()
        await self._forge.close()

    async def written(self, body: str, author: UserId, mentionable: Mentionable = NOBODY) -> Written:
        """Render a text of `author`, as it is stored and shown."""
        if is_brief(body):
            return written(body, mentionable)
        line = self._lines.setdefault(author, _Line())
        if line.waiting < MOST_WAITING:
            async with line:
                for in_colour in (True, False) if has_colours(body) else (False,):
                    made = await self._ask(_job(body, mentionable, in_colour=in_colour))
                    if made is not None:
                        return made
                    audit.record("markup_given_up", author_id=author, characters=len(body), in_colour=in_colour)
        return Written(as_typed(body))

    async def _ask(self, job: bytes) -> Written | None:
        """Return a worker's answer; None if the job took too long."""
        async with self._free:
            for _ in range(ATTEMPTS):
                try:
                    worker = await self._living() or await self._forge.worker()
                except (OSError, EOFError, TimeoutError) as error:
                    logger.warning("Could not start a process to render a message: %s", error)
                    # A worker that was just killed may still be in the list, and would fail the next attempt as well.
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                began = time.monotonic()
                answer = await worker.answer(job)
                if answer is not None:
                    self._idle.append(worker)
                    return _made(answer)
                if time.monotonic() - began >= COLOURS_SECONDS:
                    return None
                # The worker died before its time limit: something else has killed it.
        return None

    async def _living(self) -> "_Worker | None":
        """Return a worker that is idle and alive; drops workers that have died."""
        await asyncio.sleep(0)  # lets asyncio notice workers that have ended
        while self._idle:
            worker = self._idle.pop()
            if not worker.reader.at_eof():
                return worker
            worker.close()
        return None


class _Line:
    """The queue of one person's texts."""

    def __init__(self) -> None:
        self.waiting = 0
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self._turn.acquire()
        except BaseException:
            self.waiting -= 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self.waiting -= 1
        self._turn.release()


@dataclass(slots=True)
class _Worker:
    """A worker process, seen from the server process."""

    process_id: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, job: bytes) -> bytes | None:
        """Return the answer to a job; None if there is none, and then the worker is gone."""
        done = False
        try:
            async with asyncio.timeout(JOB_SECONDS):
                self.writer.write(NUMBER.pack(len(job)) + job)
                await self.writer.drain()
                answer = await self.reader.readexactly(*NUMBER.unpack(await self.reader.readexactly(NUMBER.size)))
            done = True
            return answer
        except TimeoutError:
            # The process exists as long as its socket is open, so no other process has its id.
            with suppress(ProcessLookupError):
                os.kill(self.process_id, signal.SIGKILL)
            return None
        except (OSError, EOFError):
            return None
        finally:
            if not done:
                self.close()

    def close(self) -> None:
        self.writer.close()


class _Forge:
    """The process that has loaded all languages, and forks workers within a millisecond or two."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    async def worker(self) -> _Worker:
        """Return a new worker that is ready; raises `OSError`, `EOFError` or `TimeoutError` if that fails."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._order(theirs)
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            async with asyncio.timeout(START_SECONDS):
                (process_id,) = NUMBER.unpack(await reader.readexactly(NUMBER.size))
            return _Worker(process_id, reader, writer)
        except BaseException:
            writer.close()
            raise

    def _order(self, for_worker: socket.socket) -> None:
        if self._process is None or self._orders is None or self._process.poll() is not None:
            if self._orders is not None:
                self._orders.close()
            self._orders = self._start()
        socket.send_fds(self._orders, [b"."], [for_worker.fileno()])

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # It gets no environment: a process that parses hostile texts must know no secret.
                self._process = subprocess.Popen(  # noqa: S603  our own module, and a number
                    [sys.executable, "-m", "chat.messages.worker", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    cwd=_ROOT,
                    env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
            except OSError:
                ours.close()
                raise
        return ours

    async def close(self) -> None:
        if self._orders is not None:
            self._orders.close()
        if self._process is not None:
            await asyncio.to_thread(_end, self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _job(body: str, mentionable: Mentionable, *, in_colour: bool) -> bytes:
    job: Job = {
        "body": body,
        "people": [(person.id, person.name) for person in mentionable.people],
        "everybody": mentionable.everybody,
        "in_colour": in_colour,
    }
    return json.dumps(job).encode()


def _made(answer: bytes) -> Written | None:
    made: Answer = json.loads(answer)
    if made["error"]:
        logger.error("Could not render a message: %s", made["error"])
        return None
    html = Markup(made["html"])  # noqa: S704  sanitised by the worker
    return Written(html, frozenset(map(UserId, made["mentioned"])), made["mentions_room"])
