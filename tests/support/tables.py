"""The tables of a chat, and whether anything was written to them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from chat.models import metadata

# Tables that the chat derives from others may change at any time.
_TABLES = [table.name for table in metadata.sorted_tables if not table.info.get("derived")]
# A digest of all rows would take ever longer. What a transaction that is rolled back wrote is not counted.
_WATCH = """
    CREATE SCHEMA watched;
    CREATE TABLE watched.writes (id bigserial PRIMARY KEY);
    CREATE FUNCTION watched.count() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO watched.writes DEFAULT VALUES; RETURN NULL; END';
""" + "".join(
    f"""
    CREATE TRIGGER writes AFTER INSERT OR DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION watched.count();
    CREATE TRIGGER changes AFTER UPDATE ON {name} FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
        EXECUTE FUNCTION watched.count();
    """
    for name in _TABLES
)


class Tables:
    """A connection of the tests' own to a chat's database."""

    def __init__(self, runner: asyncio.Runner, connection: asyncpg.Connection) -> None:
        self._runner = runner
        self._connection = connection

    def watch(self) -> None:
        """Count what is written from now on to tables with members' data."""
        self.execute(_WATCH)

    def writes(self) -> int:
        """The number of the last row that was written; higher after each."""
        return self.value("SELECT coalesce(max(id), 0) FROM watched.writes")

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
