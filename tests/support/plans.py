"""Counts the rows PostgreSQL reads, which does not depend on the machine's load."""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal, TypedDict

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.engine import create_engine

_Counter = Literal["Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"]
_ROWS: tuple[_Counter, ...] = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
_Plan = TypedDict(
    "_Plan",
    {
        "Relation Name": str,
        "Actual Rows": float,
        "Rows Removed by Filter": float,
        "Rows Removed by Index Recheck": float,
        "Actual Loops": float,
        "Plans": list["_Plan"],
    },
    total=False,
)
Work = Callable[[AsyncConnection], Awaitable[object]]


async def rows_visited(url: str, work: Work) -> dict[str, int]:
    """Count the rows of each table that the queries of `work` read, in the plans of a large database."""
    database = create_engine(url)
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_conn: object, _cursor: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
        asked.append((statement, parameters))

    try:
        async with database.connect() as connection:
            # PostgreSQL reads small tables whole, but not those of a large chat.
            await connection.exec_driver_sql("SET enable_seqscan = off")
            event.listen(database.sync_engine, "before_cursor_execute", note)
            await work(connection)
            event.remove(database.sync_engine, "before_cursor_execute", note)
            seen: dict[str, int] = {}
            for statement, parameters in asked:
                found = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
                plan = found.scalar_one()
                for table, rows in _visits((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
                    seen[table] = seen.get(table, 0) + rows
            await connection.rollback()
        return seen
    finally:
        await database.dispose()


def _visits(node: _Plan) -> Iterator[tuple[str, int]]:
    if "Relation Name" in node:
        rows = sum(node.get(counter, 0) for counter in _ROWS)
        yield node["Relation Name"], round(rows * node["Actual Loops"])
    for below in node.get("Plans", ()):
        yield from _visits(below)
