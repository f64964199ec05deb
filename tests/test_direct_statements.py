"""Statements that asyncpg executes itself give what SQLAlchemy gives, and bear what its connections bear."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import ARRAY, BigInteger, DateTime, bindparam, literal, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.database import pool
from chat.database.direct import STATEMENT_ERRORS, DirectStatement
from chat.database.engine import create_engine, reading
from chat.errors import DatabaseUnavailable
from chat.models import rooms
from tests.support.databases import execute

pytestmark = pytest.mark.anyio

OF_ROOM = DirectStatement(
    select(rooms.c.id, rooms.c.name, rooms.c.kind, rooms.c.topic, literal("as it is").label("said")).where(
        rooms.c.id == bindparam("room_id"), rooms.c.kind != "direct"
    )
)
OF_VALUES = DirectStatement(
    text(
        "SELECT number, :moment AS moment FROM unnest(:numbers) AS number WHERE number IS DISTINCT FROM :but"
    ).bindparams(
        bindparam("numbers", type_=ARRAY(BigInteger)),
        bindparam("but", type_=BigInteger),
        bindparam("moment", type_=DateTime(timezone=True)),
    )
)
PROCESS = DirectStatement(text("SELECT pg_backend_pid() AS process"))
SLEEP = DirectStatement(text("SELECT pg_sleep(60)"))
STATE = DirectStatement(
    text("SELECT state FROM pg_stat_activity WHERE pid = :process").bindparams(bindparam("process", type_=BigInteger))
)
NOW = datetime(2026, 2, 3, tzinfo=UTC)


@asynccontextmanager
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    database = create_engine(url, connections=1)
    try:
        yield database
    finally:
        await database.dispose()


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (OF_ROOM, {"room_id": 1}),
        (OF_ROOM, {"room_id": 2}),
        (OF_VALUES, {"numbers": [1, 2, 3], "but": 2, "moment": NOW}),
        (OF_VALUES, {"numbers": [1], "but": None, "moment": NOW}),
    ],
)
async def test_the_rows_are_those_of_sqlalchemy(
    database_url: str, statement: DirectStatement, values: dict[str, object]
) -> None:
    await execute(database_url, "INSERT INTO rooms (kind, name) VALUES ('open', 'Lobby'), ('closed', 'Board')")
    async with engine(database_url) as database:
        direct = await statement.rows(database, **values)
        async with reading(database) as connection:
            usual = await statement.rows(connection, **values)
    assert [tuple(row) for row in direct] == [tuple(row) for row in usual]
    if statement is OF_ROOM:
        assert [row.name for row in direct] == [row.name for row in usual]


async def test_a_list_in_the_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="ANY"):
        DirectStatement(select(rooms.c.id).where(rooms.c.id.in_([1, 2])))


async def test_a_value_that_is_missing_is_an_error(database_url: str) -> None:
    async with engine(database_url) as database:
        with pytest.raises(KeyError, match="room_id"):
            await OF_ROOM.rows(database)


async def test_a_statement_survives_a_change_of_its_table(database_url: str) -> None:
    await execute(database_url, "INSERT INTO rooms (kind, name) VALUES ('open', 'Lobby')")
    async with engine(database_url) as database:
        for change in (
            "ALTER COLUMN topic TYPE varchar(200)",
            "ADD COLUMN new integer",
            "ALTER COLUMN topic TYPE text",
        ):
            assert [row.name for row in await OF_ROOM.rows(database, room_id=1)] == ["Lobby"]
            await execute(database_url, f"ALTER TABLE rooms {change}")
        assert [row.name for row in await OF_ROOM.rows(database, room_id=1)] == ["Lobby"]


async def test_an_error_of_the_statement_is_raised_and_leaves_the_pool_whole(database_url: str) -> None:
    wrong = DirectStatement(text("SELECT 1 / :zero").bindparams(bindparam("zero", type_=BigInteger)))
    async with engine(database_url) as database:
        [[process]] = await PROCESS.rows(database)
        for _ in range(3):
            with pytest.raises(asyncpg.DivisionByZeroError):
                await wrong.rows(database, zero=0)
        assert await wrong.rows(database, zero=1)
        assert [tuple(row) for row in await PROCESS.rows(database)] == [(process,)], "it has no reason to connect anew"


async def test_a_value_that_the_driver_refuses_is_an_error_of_the_statement(database_url: str) -> None:
    async with engine(database_url) as database:
        [[process]] = await PROCESS.rows(database)
        with pytest.raises(STATEMENT_ERRORS):
            await OF_VALUES.rows(database, numbers=["no number"], but=None, moment=NOW)
        assert [tuple(row) for row in await PROCESS.rows(database)] == [(process,)]


async def test_a_connection_that_ends_is_replaced(database_url: str) -> None:
    async with engine(database_url) as database:
        [[process]] = await PROCESS.rows(database)
        sleeping = asyncio.create_task(SLEEP.rows(database))
        await asyncio.sleep(0.1)
        await execute(database_url, "SELECT pg_terminate_backend($1)", process)
        with pytest.raises(DatabaseUnavailable):
            await sleeping
        [[other]] = await PROCESS.rows(database)
        assert other != process
        # Closed while nobody used it.
        await execute(database_url, "SELECT pg_terminate_backend($1)", other)
        await asyncio.sleep(0.2)
        [[third]] = await PROCESS.rows(database)
        assert third != other


async def test_a_cancelled_statement_gives_its_place_in_the_pool_back(database_url: str) -> None:
    async with engine(database_url) as database:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await SLEEP.rows(database)
        async with asyncio.timeout(10):
            assert await PROCESS.rows(database)


async def test_a_cancelled_statement_ends_on_the_server(database_url: str) -> None:
    async with engine(database_url) as database:
        (first,) = await PROCESS.rows(database)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await SLEEP.rows(database)
        async with asyncio.timeout(20):
            while await STATE.rows(database, process=first.process):
                await asyncio.sleep(0.05)


async def test_more_statements_than_connections_wait_for_one(database_url: str) -> None:
    async with engine(database_url) as database:
        found = await asyncio.gather(*(PROCESS.rows(database) for _ in range(50)))
        assert len({row.process for rows in found for row in rows}) == 1


async def test_a_crowd_of_statements_leaves_few_connections(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.2)
    nap = DirectStatement(text("SELECT pg_backend_pid() AS process, pg_sleep(0.05)"))
    database = create_engine(database_url, connections=8)
    assert isinstance(database.pool, pool.PatientPool)
    for _ in range(3):
        found = await asyncio.gather(*(nap.rows(database) for _ in range(40)))
        assert len({row.process for rows in found for row in rows}) > 4
        assert database.pool.checkedout() == 0
        assert database.pool.checkedin() <= 4, "the others are closed at once"
    async with asyncio.timeout(30):
        while database.pool.checkedin() > pool.KEPT_IDLE:
            await asyncio.sleep(0.05)
    assert await PROCESS.rows(database)
    await database.dispose()


async def test_no_connection_from_before_a_failure_is_lent(database_url: str) -> None:
    database = create_engine(database_url, connections=4)
    nap = DirectStatement(text("SELECT pg_backend_pid() AS process, pg_sleep(0.05)"))
    found = await asyncio.gather(*(nap.rows(database) for _ in range(2)))
    with pytest.raises(DatabaseUnavailable):
        async with database.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    later = await asyncio.gather(*(nap.rows(database) for _ in range(2)))
    assert not {row.process for rows in found for row in rows} & {row.process for rows in later for row in rows}
    await database.dispose()


async def test_a_server_that_is_away_is_unavailable() -> None:
    async with engine("postgresql://postgres@127.0.0.1:1/chat") as database:
        with pytest.raises(DatabaseUnavailable):
            await PROCESS.rows(database)
