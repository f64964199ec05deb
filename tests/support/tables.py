"""Digests of the tables, to see whether anything was written."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from chat.models import metadata

# Tables that the chat derives from others may change at any time.
_TABLES = [table.name for table in metadata.sorted_tables if not table.info.get("derived")]
_DIGEST = " UNION ALL ".join(
    f"SELECT '{name}' AS name, md5(string_agg(each::text, '|' ORDER BY each::text)) AS digest FROM {name} AS each"
    for name in _TABLES
)


class Tables:
    """A connection of the tests' own to a chat's database."""

    def __init__(self, runner: asyncio.Runner, connection: asyncpg.Connection) -> None:
        self._runner = runner
        self._connection = connection

    def digest(self) -> dict[str, str]:
        """The digest of each table with members' data."""
        return {row["name"]: row["digest"] for row in self._runner.run(self._connection.fetch(_DIGEST))}

    def row(self, statement: str, *arguments: object) -> asyncpg.Record:
        """The only row that a statement returns."""
        return self._runner.run(self._connection.fetchrow(statement, *arguments))

    def value(self, statement: str, *arguments: object) -> int:
        """The first column of the row that a statement returns."""
        return int(self._runner.run(self._connection.fetchval(statement, *arguments)))

    def execute(self, statement: str) -> None:
        """Run statements."""
        self._runner.run(self._connection.execute(statement))


@contextmanager
def tables_of(url: str) -> Iterator[Tables]:
    """The tables of a database."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        try:
            yield Tables(runner, connection)
        finally:
            runner.run(connection.close())
