"""A history full of the worst markup."""

from concurrent.futures import ThreadPoolExecutor

from tests.attacks.writing import author_of, fill, prepare
from tests.support.people import browser
from tests.support.server import ChatServer

BEFORE = "the memory grows from 73 to 978 MB"
READERS, MESSAGES = 8, 300

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """Eight readers at a time page through a history of the longest markup."""
    alice = author_of(server)
    fill(alice, 1, MESSAGES)
    clients = [browser(server) for _ in range(READERS)]

    def read(number: int) -> None:
        # With the same sign-in: hashing a password takes 64 MB and would hide the cost of messages.
        clients[number].cookies.update(alice.client.cookies)
        for before in range(MESSAGES + 1 - number, 1, -50):
            for path in (f"/rooms/1/messages?before={before}", f"/rooms/1?after={before}", f"/rooms/1?before={before}"):
                assert clients[number].get(path).status_code == 200

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, range(READERS)))
