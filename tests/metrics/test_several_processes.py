"""The figures of several processes: any of them answers for all, whichever end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chat.metrics.figures import decode
from tests.support.databases import fresh_database
from tests.support.people import Person, first_run
from tests.support.scrape import scrape, until
from tests.support.server import ChatServer


@pytest.fixture(scope="module")
def alice() -> Iterator[Person]:
    """The administrator of a chat that two processes serve."""
    with fresh_database() as url:
        server = ChatServer(url, WEB_CONCURRENCY="2")
        try:
            server.start()
            yield first_run(server)
        finally:
            server.remove()


def workers_of(server: ChatServer) -> list[psutil.Process]:
    """The processes that serve, by whether they have a place in the folder of figures."""
    assert server.process is not None
    children = psutil.Process(server.process.pid).children()
    return [each for each in children if any(file.path.endswith(".lock") for file in each.open_files())]


def folder_of(server: ChatServer) -> Path:
    """The folder in which its processes share their figures."""
    paths = [Path(file.path) for file in workers_of(server)[0].open_files()]
    return next(path.parent for path in paths if path.suffix == ".lock")


def test_any_process_tells_the_sum_over_all(alice: Person) -> None:
    until(alice.server, "processes", 2)
    before, posted = scrape(alice.server).value("posts_total"), 0
    alice.client.headers["Connection"] = "close"  # the next one may come to the other process
    while not all(posts_of(each) for each in folder_of(alice.server).glob("*.figures")):
        assert posted < 300, "one process gets all posts"
        alice.post(1, f"message {posted}")
        posted += 1
    for _ in range(4):
        found = until(alice.server, "posts_total", before + posted)
        assert found.value("processes") == 2
        assert found.value("broker_up") == 1


def posts_of(file: Path) -> float:
    return decode(file.read_bytes()).counters["posts",]


def test_a_process_that_is_killed_loses_no_count_and_leaves_no_gauge(alice: Person) -> None:
    before = until(alice.server, "processes", 2)
    posts = before.value("posts_total")
    memory = before.value("memory_bytes")
    os.kill(workers_of(alice.server)[0].pid, signal.SIGKILL)
    until(alice.server, "processes", 1)
    after = until(alice.server, "processes", 2, patience=60)
    assert after.value("posts_total") == posts
    assert after.value("memory_bytes") < memory * 1.5
    assert after.value("database_connections_allowed") == 40


def test_the_folder_of_figures_goes_with_the_chat(alice: Person) -> None:
    folder = folder_of(alice.server)
    assert oct(folder.stat().st_mode)[-3:] == "700"
    assert len(list(folder.glob("*.figures"))) <= 3, "a process takes the place of one that has ended"
    alice.server.stop()
    assert not folder.exists()
