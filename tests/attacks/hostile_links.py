"""Links to servers that answer in crumbs, promise an answer for ever, or send compressed nothing."""

import time

from tests.attacks.writing import author_of, prepare
from tests.support.databases import query
from tests.support.hostile_pages import hostile_pages
from tests.support.server import ChatServer

BEFORE = "2.4 s of silence for a link"
ENVIRONMENT = {"LINK_PREVIEWS": "yes", "LINK_PREVIEW_ALLOW": "127.0.0.1/32"}
PATHS = ("/crumbs?100000", "/soon", "/nothing")
PATIENCE_SECONDS = 60

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """A member posts links to servers that send chunks of one byte, empty promises and compressed nothing."""
    with hostile_pages() as pages:
        author_of(server).post(1, " ".join(pages.url + path for path in PATHS))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while query(server.database_url, "SELECT count(failure) FROM link_previews") != [(len(PATHS),)]:
            assert time.monotonic() < deadline, "the pages are not given up"
            time.sleep(0.1)
