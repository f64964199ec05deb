"""Background tasks that fail are restarted, and `/readyz` names them meanwhile."""

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import anyio
import httpx
import psutil
import pytest
import uvicorn

from chat import supervision
from chat.app import create_app
from chat.batches import Batches
from chat.live.wire import LiveProtocol
from chat.settings import Settings
from chat.supervision import Failures, keep, supervised
from tests.support.databases import run
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.scrape import scrape
from tests.support.server import SECRET_KEY, SETUP_CODE, ChatServer, until_ready

TASKS = [
    "hub resync",
    "hub repair",
    "hub room:1",
    "events",
    "seats",
    "roster",
    "presence heartbeat",
    "presence expiry",
    "unread counts",
    "unread counts of newcomers",
    "unread counts check",
    "search indexing",
    "deletion of ended sessions",
    "deletion of files",
    "connections",
    "metrics",
    "metrics of others",
    "throttling",
    "broker listener",
]
BROKER_TASKS = ["broker receiver", "broker sender"]


class ServerHere(ChatServer):
    """A server in a thread of this process, whose tasks a test can make fail."""

    def __init__(self, database_url: str, redis_url: str | None = None) -> None:
        super().__init__(database_url, redis_url)
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url or "",
            "SECRET_KEY": SECRET_KEY,
            "SETUP_CODE": SETUP_CODE,
        }
        self.app = create_app(Settings.from_environment(environment))
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.app, host="127.0.0.1", port=self.port, ws=LiveProtocol, log_config=None, access_log=False
            )
        )
        self._thread = threading.Thread(target=self._run)
        self.loop: asyncio.AbstractEventLoop | None = None

    def start(self, patience: float = 30) -> None:
        self._thread.start()
        until_ready(self.url, patience)

    def _run(self) -> None:
        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            await self._server.serve()

        asyncio.run(serve())

    def names(self) -> set[str]:
        """The names of the tasks that run."""
        assert self.loop is not None
        return {task.get_name() for task in asyncio.all_tasks(self.loop)}

    def break_task(self, name: str) -> None:
        """Let the wait that a task is in end with an error."""
        assert self.loop is not None
        broken = threading.Event()

        def break_wait() -> None:
            (task,) = [task for task in asyncio.all_tasks(self.loop) if task.get_name() == name]
            waiter = task._fut_waiter  # type: ignore[attr-defined]  # not public
            gathering = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]  # not public
            if waiter is None or waiter.done() or isinstance(waiter, asyncio.Task | gathering):
                asyncio.get_running_loop().call_later(0.01, break_wait)
            else:
                waiter.set_exception(RuntimeError(f"a test broke {name}"))
                broken.set()

        self.loop.call_soon_threadsafe(break_wait)
        assert broken.wait(30)

    def remove(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        super().remove()


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such errors also happen on a machine that hangs for two seconds."""
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 5.0)
    monkeypatch.setattr(supervision, "STEADY_SECONDS", 0.5)


@pytest.fixture
def server_here(database_url: str, request: pytest.FixtureRequest, long_pauses: None) -> Iterator[ServerHere]:
    redis_server: RedisServer | None = request.getfixturevalue("redis_server") if request.param else None
    server = ServerHere(database_url, redis_server.url if redis_server else None)
    server.start()
    yield server
    server.remove()


async def pages_are_live(author: Person, reader: Person, text: str, to_break: Callable[[], None]) -> None:
    """Check that a page shows new messages, presence and other rooms' news after a fault."""
    elsewhere = author.create_room("Elsewhere")
    reader.join(elsewhere)
    async with LiveClient(reader, 1) as page:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(to_break)
        author.post(1, text)
        await page.until_shows(text)
        author.post(elsewhere, text)
        await page.until(lambda: any(f'<chat-activity data-room="{elsewhere}"' in frame for frame in page.frames))
        async with LiveClient(author, 1):
            await page.until(lambda: any(f'data-idle="{author.id} {reader.id}"' in frame for frame in page.frames))


@pytest.mark.parametrize(
    ("server_here", "name"),
    [*((False, name) for name in TASKS), *((True, name) for name in [*BROKER_TASKS, "broker listener", "events"])],
    indirect=["server_here"],
)
def test_readyz_names_a_task_that_failed_and_pages_become_live_again(server_here: ServerHere, name: str) -> None:
    alice = first_run(server_here)
    bob = sign_up(server_here, "Bob Brown")

    def break_it() -> None:
        server_here.break_task(name)
        if name in BROKER_TASKS:
            return  # They connect again by themselves, and pages work without them.
        deadline = time.monotonic() + 30
        while (answer := httpx.get(f"{server_here.url}/readyz")).status_code == 200:
            assert time.monotonic() < deadline, "it is not told"
            time.sleep(0.02)
        assert answer.text == f"a background task is down: {name}"
        assert httpx.get(f"{server_here.url}/healthz").status_code == 200
        until_ready(server_here.url)
        assert scrape(server_here).value("task_restarts_total", task=name.partition(":")[0]) >= 1

    run(pages_are_live(alice, bob, f"after {name}", break_it))


@pytest.mark.parametrize("server_here", [True], indirect=True)
def test_every_background_task_is_covered_by_these_tests(server_here: ServerHere) -> None:
    alice = first_run(server_here)

    async def look() -> set[str]:
        async with LiveClient(alice, 1):
            await asyncio.sleep(0.5)
            return server_here.names()

    names = run(look())
    assert {*TASKS, *BROKER_TASKS} <= names
    others = names - {*TASKS, *BROKER_TASKS}
    # Groups of the tasks above, which only wait for them, and tasks of the server and its connections.
    known = ("chat.", "starlette.", "uvicorn.", "broker redis channels", "departure", "batches")
    assert not [name for name in others if not (name.startswith(known) or name.startswith("Task-"))]


@pytest.mark.anyio
async def test_the_pause_before_a_restart_grows_until_a_task_runs_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.04)
    pauses: list[float] = []
    sleep = asyncio.sleep
    monkeypatch.setattr(random, "uniform", lambda _least, _most: 1.0)

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(anyio, "sleep", note)
    failures, runs = Failures(), 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 6:
            monkeypatch.setattr(supervision, "CALM_SECONDS", -1)
        if runs < 8:
            raise ValueError(runs)

    await keep(work, "it", failures, may_end=True)
    assert pauses == [0.01, 0.02, 0.04, 0.04, 0.04, 0.01, 0.01]
    assert list(failures) == []


@pytest.mark.anyio
async def test_a_failing_task_leaves_others_alone_and_ends_with_its_group(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.01)

    async def fail() -> None:
        raise ValueError("of its own")

    async def end() -> None:
        pass

    async with supervised(failures) as tasks:
        for work in (beat, fail, end):
            tasks.keep(work, work.__name__)
        tasks.once(fail, "once")
        await asyncio.sleep(0.2)
        before = beats
        await asyncio.sleep(0.2)
        assert beats > before
        assert list(failures) == ["end", "fail"]
        tasks.end()
    traced = [line.getMessage() for line in caplog.records if line.exc_info]
    assert any(message.startswith("The task fail failed; it starts again in") for message in traced)
    assert "The task once failed" in traced


@pytest.mark.anyio
async def test_a_batch_with_too_few_answers_leaves_no_request_waiting() -> None:
    async def answer_none(items: list[int]) -> list[int]:
        return []

    batches: Batches[int, int] = Batches(answer_none, 10)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="0 answers to 1 questions"):
            await asyncio.wait_for(batches.ask(1), 10)


def test_a_worker_process_that_dies_is_replaced_and_logged(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, WEB_CONCURRENCY="2")
    alice = first_run(server)
    assert server.process is not None

    def workers() -> set[int]:
        found = set()
        for child in psutil.Process(server.process.pid).children() if server.process else []:
            with suppress(psutil.NoSuchProcess):
                if "spawn_main" in " ".join(child.cmdline()):
                    found.add(child.pid)
        return found

    before = workers()
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(workers() - before) < 1 or killed in workers():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    until_ready(server.url)
    assert alice.post(1, "still here").status_code == 200
    server.stop()
    assert f"INFO uvicorn.error: Child process [{killed}] died" in server.log
