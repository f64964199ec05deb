"""Judges plans: what a statement reads may not grow with what it does not return."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypedDict

Node = TypedDict(
    "Node",
    {
        "Node Type": str,
        "Relation Name": str,
        "Actual Rows": float,
        "Actual Loops": float,
        "Rows Removed by Filter": float,
        "Rows Removed by Index Recheck": float,
        "Shared Hit Blocks": int,
        "Shared Read Blocks": int,
        "Plans": list["Node"],
    },
    total=False,
)
Recorded = TypedDict("Recorded", {"module": str, "line": int, "Query Text": str, "Plan": Node})

# PostgreSQL reads two thousand rows in less than a millisecond, and a row of a page has others from many tables.
LEAST, FOR_EACH = 2000, 20
MOST_RETURNED = 1000  # no page shows more
PAGES_OF_A_ROW = 4  # that an index leads to
CATALOGUE = "pg_"  # PostgreSQL's own tables grow with nothing here


@dataclass(frozen=True)
class Work:
    """The rows that a statement read and returned, and the place in the chat that waited for it."""

    module: str
    line: int
    read: int
    returned: int
    written: int
    statement: str

    @property
    def is_too_much(self) -> bool:
        """Whether it read much for what it returned or wrote, or returned more than a page shows."""
        return self.read > LEAST + FOR_EACH * (self.returned + self.written) or self.returned > MOST_RETURNED

    def __str__(self) -> str:
        return f"{self.module}:{self.line} read {self.read:,} rows to return {self.returned:,}: {self.statement}"


def works_of(recorded: Iterable[Recorded]) -> Iterator[Work]:
    """Return what each recorded statement did."""
    for each in recorded:
        plan, statement = each["Plan"], " ".join(each["Query Text"].split())[:200]
        written, returned = _written(plan), round(plan["Actual Rows"])
        yield Work(each["module"], each["line"], rows_read(plan), 0 if written else returned, written, statement)


def rows_read(plan: Node) -> int:
    """Return the rows read from tables and indexes, those that a filter removed included.

    The rows of an index that do not match are not counted, but its pages are.
    """
    rows = sum(round(_scanned(node) * node["Actual Loops"]) for node in _nodes_of(plan))
    return max(rows, (plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]) // PAGES_OF_A_ROW)


def _scanned(node: Node) -> float:
    if node.get("Relation Name", CATALOGUE).startswith(CATALOGUE) or node["Node Type"] == "ModifyTable":
        return 0
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return node["Actual Rows"] + removed


def _written(plan: Node) -> int:
    written = (below for node in _nodes_of(plan) if node["Node Type"] == "ModifyTable" for below in node["Plans"])
    return sum(round(node["Actual Rows"] * node["Actual Loops"]) for node in written)


def _nodes_of(node: Node) -> Iterator[Node]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes_of(below)
