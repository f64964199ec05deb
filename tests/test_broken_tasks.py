"""Each background task of a server fails in turn: `/readyz` names it until it has started again."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import httpx
import pytest
import uvicorn

from chat import supervision
from chat.app import create_app
from chat.live.wire import LiveProtocol
from chat.serving.protocol import BoundedProtocol
from chat.settings import Settings
from tests.support.databases import fresh_database, run
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
    "previews of links",
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
                self.app,
                host="127.0.0.1",
                port=self.port,
                http=BoundedProtocol,
                ws=LiveProtocol,
                log_config=None,
                access_log=False,
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


class Restarts:
    """Holds tasks that failed until the test has seen that `/readyz` names them, however slow the machine is."""

    def __init__(self) -> None:
        self._allowed = threading.Event()
        self._allowed.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no task start again for a while."""
        self._allowed.clear()
        try:
            yield
        finally:
            self._allowed.set()

    async def pause(self, _: float) -> None:
        """Wait in place of a task's pause before its restart."""
        while not self._allowed.is_set():
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def restarts() -> Iterator[Restarts]:
    restarts = Restarts()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(supervision, "pause_before_restart", restarts.pause)
        monkeypatch.setattr(supervision, "STEADY_SECONDS", 0.2)
        yield restarts


@dataclass
class Chat:
    """A server whose tasks tests break one after another, and a member who reads."""

    server: ServerHere
    reader: Person
    newcomers: Iterator[int] = field(default_factory=partial(count, 1))

    def newcomer(self) -> Person:
        """A member whom no page has seen online yet."""
        return sign_up(self.server, f"Author {next(self.newcomers)}")


@pytest.fixture(scope="module")
def alone(restarts: Restarts) -> Iterator[Chat]:
    """A chat of one process, without a broker."""
    with running_chat(None) as chat:
        yield chat


@pytest.fixture(scope="module")
def with_redis(restarts: Restarts) -> Iterator[Chat]:
    """A chat with Redis as its broker."""
    redis_server = RedisServer()
    redis_server.start()
    try:
        with running_chat(redis_server.url) as chat:
            yield chat
    finally:
        redis_server.stop()


@contextmanager
def running_chat(redis_url: str | None) -> Iterator[Chat]:
    with fresh_database() as url:
        server = ServerHere(url, redis_url)
        try:
            server.start()
            yield Chat(server, first_run(server))
        finally:
            server.remove()


async def pages_are_live(chat: Chat, text: str, to_break: Callable[[], None]) -> None:
    """Check that a page shows new messages, presence and other rooms' news after a fault."""
    author, reader = chat.newcomer(), chat.reader
    elsewhere = author.create_room(f"Elsewhere {text}")
    reader.join(elsewhere)
    async with LiveClient(reader, 1) as page:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(to_break)
        author.post(1, text)
        await page.until_shows(text)
        author.post(elsewhere, text)
        await page.until(lambda: any(f'<chat-activity data-room="{elsewhere}"' in frame for frame in page.frames))
        assert not is_online(author, page)
        async with LiveClient(author, 1):
            await page.until(lambda: is_online(author, page))


def is_online(person: Person, page: LiveClient) -> bool:
    """Return whether a page has been told that somebody is online."""
    lists = re.findall(r'data-(?:online|idle)="([\d ]*)"', "".join(page.frames))
    return any(str(person.id) in members.split() for members in lists)


@pytest.mark.parametrize(
    ("fixture", "name"),
    [
        *(("alone", name) for name in TASKS),
        *(("with_redis", name) for name in [*BROKER_TASKS, "broker listener", "events"]),
    ],
)
def test_readyz_names_a_task_that_failed_and_pages_become_live_again(
    fixture: str, name: str, restarts: Restarts, request: pytest.FixtureRequest
) -> None:
    chat: Chat = request.getfixturevalue(fixture)

    def restarted() -> float:
        return scrape(chat.server).value("task_restarts_total", task=name.partition(":")[0])

    def break_it() -> None:
        if name in BROKER_TASKS:
            chat.server.break_task(name)
            return  # They connect again by themselves, and pages work without them.
        before = restarted()
        with restarts.held():
            chat.server.break_task(name)
            deadline = time.monotonic() + 30
            while (answer := httpx.get(f"{chat.server.url}/readyz")).status_code == 200:
                assert time.monotonic() < deadline, "it is not told"
                time.sleep(0.02)
            assert answer.text == f"a background task is down: {name}"
            assert httpx.get(f"{chat.server.url}/healthz").status_code == 200
        until_ready(chat.server.url)
        assert restarted() == before + 1

    run(pages_are_live(chat, f"after {name}", break_it))


def test_every_background_task_is_covered_by_these_tests(with_redis: Chat) -> None:
    async def look() -> set[str]:
        async with LiveClient(with_redis.reader, 1):
            await asyncio.sleep(0.5)
            return with_redis.server.names()

    names = run(look())
    assert {*TASKS, *BROKER_TASKS} <= names
    others = names - {*TASKS, *BROKER_TASKS}
    # Groups of the tasks above, which only wait for them, and tasks of the server and its connections.
    known = ("chat.", "starlette.", "uvicorn.", "broker redis channels", "departure", "batches", "hub room:")
    assert not [name for name in others if not (name.startswith(known) or name.startswith("Task-"))]
