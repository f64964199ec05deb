"""The worst markup there is, again and again."""

from tests.attacks.writing import author_of, post, prepare
from tests.support.server import ChatServer

BEFORE = "300 posts take the memory from 100 to 373 MB"
POSTS = 150

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """A member posts the longest markup 150 times and loads the room's page now and then."""
    alice = author_of(server)
    for _ in range(POSTS // 25):
        post(alice, 1, 25)
        alice.get("/rooms/1")
