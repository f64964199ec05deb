"""A connection to a broker whose library raises strange errors."""

import subprocess
import sys

import pytest

from tests.support.server import ROOT

# In a process of its own: an endless loop would hold the test, too.
CONNECT = """
import asyncio, ssl, sys
from contextlib import asynccontextmanager
from chat.live.brokers.link import Link
from chat.reminder import Reminder

first = OSError("connection lost")
last = {last}
first.__cause__, last.__context__ = last, first

@asynccontextmanager
async def fail():
    raise first
    yield

async def use(connection):
    pass

async def main():
    link = Link("RabbitMQ", "publishing", fail, use, (), reminder=Reminder(), on_distrust="trust it")
    running = asyncio.create_task(link.run())
    while not link.is_away:
        await asyncio.sleep(0.01)
    running.cancel()
    print(link.failure)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("last", "failure"),
    [
        ("first", "connection lost"),
        ("OSError('reset')", "connection lost"),
        ("ssl.SSLCertVerificationError('self-signed')", "connection lost (trust it)"),
    ],
)
def test_an_error_that_is_among_its_own_causes_is_explained(last: str, failure: str) -> None:
    """A process of the torture test went round such a circle for ever after RabbitMQ was killed."""
    command = [sys.executable, "-c", CONNECT.replace("{last}", last)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == failure
