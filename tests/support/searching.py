"""Waiting until new messages are searchable."""

import time

import pytest

from tests.support.databases import query
from tests.support.server import ChatServer


def until_searchable(server: ChatServer) -> None:
    """Wait until everything that was posted, changed and deleted is searchable as it is now."""
    behind = """
        SELECT count(*) FROM rooms LEFT JOIN search_progress ON room_id = rooms.id
        WHERE rooms.revision > coalesce(search_progress.revision, 0)
    """
    deadline = time.monotonic() + 30
    while query(server.database_url, behind)[0][0]:
        if time.monotonic() > deadline:
            pytest.fail("what was posted half a minute ago cannot be found")
        time.sleep(0.1)
