"""The places where the chat sends statements, and those that no visit reaches."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.plans.recorder import CHAT_FOLDER

# They send statements before the chat serves, or while it does not, or for what is above.
_ELSEWHERE = ("backup", "database", "live/brokers", "accounts/set_up.py", "readiness.py")


@dataclass(frozen=True)
class Place:
    """A call that sends a statement, from its first to its last line, and the function that it is in."""

    module: str
    function: str
    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{self.module} {self.function}"

    def has(self, module: str, line: int) -> bool:
        return module == self.module and self.first <= line <= self.last


def places() -> list[Place]:
    """Return every place from which the running chat sends a statement."""
    found = []
    for file in sorted(CHAT_FOLDER.rglob("*.py")):
        module = str(file.relative_to(CHAT_FOLDER))
        if not module.startswith(_ELSEWHERE):
            found += [Place(module, *each) for each in _calls_in(ast.parse(file.read_text()))]
    return found


def _calls_in(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and _sends(node.func):
                    yield function.name, node.lineno, node.end_lineno or node.lineno


def _sends(called: ast.expr) -> bool:
    """Tell whether this is `connection.execute`, `_STATEMENT.rows`, of a `DirectStatement`, or `questions.ask`."""
    if not isinstance(called, ast.Attribute):
        return False
    of = called.value.id if isinstance(called.value, ast.Name) else ""
    return (
        called.attr == "execute"
        or (called.attr == "rows" and of.isupper())
        or (called.attr, of) == ("ask", "questions")
    )
