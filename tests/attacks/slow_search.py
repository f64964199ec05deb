"""Messages that take the search as long as a thousand others."""

import random
import time

from tests.attacks.writing import author_of, fill, prepare
from tests.support.databases import query
from tests.support.server import ChatServer

BEFORE = "1,500 of them, and nobody finds anything new again"
MESSAGES = 60
PATIENCE_SECONDS = 60
HAN = [chr(number) for number in range(0x4E00, 0x9FFF)]

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """A member posts 60 messages of 9,990 random Chinese letters; other members' messages are found meanwhile."""
    alice = author_of(server)
    other = alice.create_room("Garden club")
    for _ in range(MESSAGES):
        fill(alice, 1, 1, "".join(random.choices(HAN, k=9_990)))
    alice.post(other, "tomatoes")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not query(server.database_url, "SELECT 1 FROM searchable WHERE text = 'tomatoes'"):
        assert time.monotonic() < deadline, "other members' messages are not found"
        time.sleep(0.1)
