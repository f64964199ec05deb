"""The worst markup there is, again and again."""

from tests.attacks.writing import post
from tests.support.people import first_run
from tests.support.server import ChatServer

BEFORE = "300 posts take the memory from 100 to 373 MB"
POSTS = 300


def attack(server: ChatServer) -> None:
    """A member posts the longest markup 300 times and loads the room's page now and then."""
    alice = first_run(server)
    for _ in range(POSTS // 25):
        post(alice, 1, 25)
        alice.get("/rooms/1")
