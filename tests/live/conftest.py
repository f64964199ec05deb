"""Shared fixtures of the live engine's tests."""

from collections.abc import Callable

import pytest

from tests.support.patience import be_patient
from tests.support.people import Person, first_run
from tests.support.server import ChatServer


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that lose no message to a slow machine, for tests of other things."""
    be_patient(monkeypatch)


@pytest.fixture
def alice_under_another_protocol(start_server: Callable[..., ChatServer], database_url: str) -> Person:
    """The first member of a server whose websockets are not ours, so that frames go through queues."""
    server = start_server(database_url)
    alice = first_run(server)
    server.stop()
    server.command = ["-m", "uvicorn", "--factory", "chat.__main__:application", "--port", str(server.port)]
    server.command += ["--ws", "websockets-sansio"]
    server.start()
    return alice
