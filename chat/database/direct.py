"""Statements that asyncpg itself executes: those of almost every request.

The pool lends the connection. For a statement of one row SQLAlchemy's own work takes 0.3 ms, four times as long as
asyncpg's.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import asyncpg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Engine,
    Row,
    Select,
    TextClause,
    TextualSelect,
    any_,
    bindparam,
)
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, ManagesConnection
from sqlalchemy.util import await_, greenlet_spawn

from chat.database.engine import hide_values, unavailable
from chat.database.pool import PatientPool
from chat.database.poolers import Connection

_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]  # SQLAlchemy has not annotated it


class DirectRow(asyncpg.Record):  # type: ignore[misc]  # asyncpg has no types
    """A row whose columns are attributes, as SQLAlchemy's are."""

    __getattr__ = asyncpg.Record.__getitem__


# An engine, whose connections asyncpg uses itself, or a connection that SQLAlchemy has opened for other statements.
Source = AsyncEngine | AsyncConnection
AnyRow = Row[Any] | DirectRow

# The errors of a statement from either source, and those of a row that another one forbids.
STATEMENT_ERRORS = (DBAPIError, asyncpg.PostgresError)
CONFLICTS = (IntegrityError, asyncpg.IntegrityConstraintViolationError)


def is_one_given(column: Column[int], name: str) -> ColumnElement[bool]:
    """Return a condition like `column IN (…)`; the numbers are the statement's parameter of this name."""
    return column == any_(bindparam(name, type_=ARRAY(BigInteger)))


class DirectStatement:
    """A statement that returns rows; from an engine it commits itself.

    There its values reach PostgreSQL as they are, without conversions by SQLAlchemy's types.
    """

    def __init__(self, statement: Select[Any] | TextClause | TextualSelect) -> None:
        self._statement = statement
        compiled = statement.compile(dialect=_DIALECT)
        self._text = str(compiled)
        if "POSTCOMPILE" in self._text:
            raise ValueError("write = ANY (…) instead of IN (…), whose length SQLAlchemy learns at each call")
        self._names: list[str] = compiled.positiontup or []
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    async def rows(self, source: Source, **values: object) -> Sequence[AnyRow]:
        """Return the rows for values of the statement's parameters; raises `DatabaseUnavailable`."""
        if isinstance(source, AsyncConnection):
            return (await source.execute(self._statement, values)).all()
        all_values = self._constants | values
        arguments = [all_values[name] for name in self._names]
        if isinstance(pool := source.pool, PatientPool) and (lent := pool.take_idle()):
            return await self._rows_of_idle(pool, lent, arguments)
        return await greenlet_spawn(self._rows_by, source.sync_engine, arguments)

    async def _rows_of_idle(
        self, pool: PatientPool, lent: ConnectionPoolEntry, arguments: list[object]
    ) -> list[DirectRow]:
        connection: Connection = lent.driver_connection  # type: ignore[assignment]  # as engine.py opens it
        try:
            return await self._rows(connection, arguments)
        except BaseException as error:
            # Within a greenlet SQLAlchemy waits until the server is told to cancel, so that nothing goes on there.
            await greenlet_spawn(_handle_error, error, connection, lent)
            raise
        finally:
            await pool.give_back(lent)

    def _rows_by(self, engine: Engine, arguments: list[object]) -> list[DirectRow]:
        """Return the rows, within one greenlet for the loan and the statement: the pool may have to open or wait."""
        lent = engine.raw_connection()
        connection: Connection = lent.driver_connection  # type: ignore[assignment]  # as engine.py opens it
        try:
            return await_(self._rows(connection, arguments))
        except BaseException as error:
            _handle_error(error, connection, lent)
            raise
        finally:
            lent.close()

    async def _rows(self, connection: Connection, arguments: list[object]) -> list[DirectRow]:
        if connection.is_pooled:
            async with connection.transaction():
                return await self._fetch(connection, arguments)
        try:
            return await self._fetch(connection, arguments)
        except asyncpg.InvalidCachedStatementError:
            # A migration has changed a table since the statement was prepared.
            connection.prepared.clear()
            return await self._fetch(connection, arguments)

    async def _fetch(self, connection: Connection, arguments: list[object]) -> list[DirectRow]:
        statement = connection.prepared.get(self._text)
        if statement is None:
            statement = await connection.prepare(self._text, record_class=DirectRow)
            if not connection.is_pooled:
                connection.prepared[self._text] = statement
                for column in statement.get_attributes():
                    # Six times as fast as `__getattr__`, which comes after a failed look-up with an error of its own.
                    setattr(DirectRow, column.name, property(itemgetter(column.name)))
        found: list[DirectRow] = await statement.fetch(*arguments)
        return found


def _handle_error(error: BaseException, connection: Connection, lent: ManagesConnection) -> None:
    """Discard a connection that an error may have left out of order; raises `DatabaseUnavailable` if it means that."""
    known = unavailable(error, has_disconnected=connection.is_closed())
    hide_values(error)
    # A server that answers with an error has left the connection in order.
    if connection.is_closed() or not isinstance(error, asyncpg.PostgresError):
        lent.invalidate()
    if known is not None:
        raise known from error
