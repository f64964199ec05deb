"""Programs that take a highlighter very long to read."""

from tests.attacks.writing import author_of, prepare
from tests.support.server import ChatServer

BEFORE = "19 to 23 s of silence"
CODE = {
    "cpp": ("x" + "\n" * 9_960 + "x", "\\" * 9_980, "#" + " " * 9_970),
    "java": ('"""' * 3_320, "\n" * 9_980, "a." * 4_990),
    "ruby": ("%" * 9_980, "/x" * 4_990),
    "perl": ("$" * 9_980, "s/" * 4_990),
    "swift": ("`" * 9_980, "(" * 9_980),
}

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """A member posts programs of 10,000 characters that a highlighter is slow to read."""
    alice = author_of(server)
    for language, programs in CODE.items():
        for code in programs:
            assert alice.post(1, f"~~~{language}\n{code}\n~~~").status_code == 200
