"""Texts that take Markdown very long to read."""

from tests.attacks.writing import author_of, prepare
from tests.support.server import ChatServer

BEFORE = "0.9 s of silence"
PIECES = ("http://[", "<http://", "http://a-", "*[", "![", "[a](", "https://x.org/(", "*a", ">a\n\n", "&", "`[", "> - ")

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """A member posts 10,000 characters of Markdown that nothing closes."""
    alice = author_of(server)
    for piece in PIECES:
        assert alice.post(1, (piece * 10_000)[:10_000]).status_code == 200
