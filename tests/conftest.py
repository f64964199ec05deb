"""Fixtures for every test: real PostgreSQL, real Redis, the real server, a real browser."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import container
from tests.support.browsers import find_browser
from tests.support.databases import new_folder, start_cluster
from tests.support.load_balancer import find_load_balancer
from tests.support.people import Person, first_run, sign_up
from tests.support.pgbouncer import find_pgbouncer
from tests.support.postgres_server import PostgresServer
from tests.support.prometheus import find_prometheus
from tests.support.rabbitmq_server import PROGRAM as RABBITMQ
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer, ForkedServer
from tests.support.settled import settled_database, settled_person

_cluster = pytest.StashKey[ExitStack]()

# The files that take the longest come first: one that came last would leave the other workers idle. The seconds are
# those of a whole run with three workers on two cores (`--durations=0`); a file that is not here takes so many a test.
SECONDS = {
    "torture/test_torture.py": 350,
    "attacks/test_attacks.py": 156,
    "e2e/test_live_page.py": 120,
    "e2e/test_sending.py": 120,
    "tests/test_backup.py": 113,
    "tests/test_parsers.py": 104,
    "throttling/test_limits.py": 100,
    "e2e/test_mentions.py": 95,
    "routes/test_hostile_values.py": 95,
    "live/test_delivery.py": 95,
    "tests/test_upgrades.py": 85,
    "e2e/test_looks.py": 80,
    "live/test_wire.py": 80,
    "messages/test_workshop.py": 76,
    "live/test_behind_load_balancers.py": 76,
    "live/test_broker.py": 72,
    "e2e/test_broken_connections.py": 65,
    "tests/test_poolers.py": 65,
    "plans/test_plans.py": 60,
    "live/test_revision_rule.py": 63,
    "tests/test_start.py": 49,
    "tests/test_pool.py": 47,
    "serving/test_protocol.py": 42,
    "e2e/test_broken_servers.py": 39,
    "e2e/test_throttling.py": 37,
    "tests/test_operations.py": 36,
    "search/test_indexing.py": 27,
    "serving/test_connections.py": 26,
    "deploy/test_terraform.py": 25,
    "tests/test_wheel.py": 24,
    "live/test_departure.py": 24,
    "rooms/test_news.py": 24,
    "throttling/test_counting.py": 22,
    "tests/test_platforms.py": 21,
    "e2e/test_switching_behind_a_proxy.py": 17,
    "deploy/test_kubernetes.py": 15,
}
SECONDS_OF_A_TEST = 0.4
SECONDS_OF_A_BROWSER_TEST = 3

# No deadline: a machine that stands still makes examples slow. In continuous integration the examples are always the
# same; new examples are tried where a developer can mend the faults they show.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[_cluster] = start_cluster()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _cluster in config.stash:
        config.stash[_cluster].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    numbers = Counter(item.path for item in items)

    def seconds(file: Path) -> float:
        each = SECONDS_OF_A_BROWSER_TEST if file.parent.name == "e2e" else SECONDS_OF_A_TEST
        return SECONDS.get(f"{file.parent.name}/{file.name}", numbers[file] * each)

    items.sort(key=lambda item: seconds(item.path), reverse=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = [kind for kind in ("nginx", "haproxy") if find_load_balancer(kind) is None]
    missing += [] if find_browser() else ["a browser"]
    missing += [] if find_pgbouncer() else ["pgbouncer"]
    missing += [] if find_prometheus() else ["prometheus"]
    missing += ["a container engine"] if container.why_not() else []
    missing += [] if RABBITMQ.exists() else ["rabbitmq-server"]
    for what in missing:
        terminalreporter.section(f"{what.upper()} WAS NOT FOUND", sep="!", red=True, bold=True)
        terminalreporter.line(f"Every test that needs {what} was skipped. Install it, then run the tests again.")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database with all tables, and the people that the test asks for."""
    with settled_database(request.fixturenames) as url:
        yield url


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this test's own, to be killed at will."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test's own, to be killed at will."""
    server = PostgresServer(new_folder("simplechat-postgres-"))
    yield server
    server.remove()


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers without probes, so that their speed may be measured."""
    monkeypatch.setattr(ForkedServer, "is_measured", False)


@pytest.fixture
def start_server(request: pytest.FixtureRequest, database_url: str) -> Iterator[Callable[..., ChatServer]]:
    """Start servers: `start_server(database_url, redis_url, WEB_CONCURRENCY="2")`.

    It asks for the database only so that this is dropped after the servers have ended.
    """
    servers: list[ChatServer] = []

    def start(url: str, redis_url: str | None = None, **environment: str) -> ChatServer:
        server = ForkedServer(url, redis_url, **environment)
        servers.append(server)
        removal.callback(server.remove)
        server.start()
        return server

    with ExitStack() as removal:
        yield start
        for server in servers:
            request.node.add_report_section("teardown", f"server log of {server.url}", server.log)


@pytest.fixture
def server(start_server: Callable[..., ChatServer], database_url: str) -> ChatServer:
    """A server before its first run, unless the test asks for people."""
    return start_server(database_url)


@pytest.fixture
def alice(server: ChatServer) -> Person:
    """The administrator of a chat with one open room, the Lobby."""
    return settled_person(server, "Alice Adams") or first_run(server)


@pytest.fixture
def bob(alice: Person) -> Person:
    """A member of that chat, in the Lobby."""
    return settled_person(alice.server, "Bob Brown") or sign_up(alice.server, "Bob Brown")


@pytest.fixture
def carol(alice: Person) -> Person:
    """A second member."""
    return settled_person(alice.server, "Carol Clark") or sign_up(alice.server, "Carol Clark")
