"""Searching a million messages, as a member of every room and as a member of two."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.measure import Line, spread, temporary_folder
from benchmarks.talk import Talk
from chat.accounts.person import Visitor
from chat.database import embedded
from chat.database.engine import create_engine
from chat.database.migrate import migrate
from chat.database.questions import Questions
from chat.ids import SessionId, UserId
from chat.search.find import Part, find
from chat.search.index import Indexing
from chat.search.query import parse_search

MESSAGES, ROOMS, PEOPLE = 1_000_000, 100, 200
EVERYWHERE, FEW = 1, 2  # the member of every room, and the member of two

PLACES = f"""
    INSERT INTO installation (name) VALUES ('a million');
    INSERT INTO users (email, name, password_hash, role)
    SELECT 'person' || n || '@example.org', 'Person ' || n, '', 'member' FROM generate_series(1, {PEOPLE}) AS n;
    INSERT INTO rooms (kind, name, revision, message_count)
    SELECT 'open', 'Room ' || n, {MESSAGES // ROOMS}, {MESSAGES // ROOMS} FROM generate_series(1, {ROOMS}) AS n;
    INSERT INTO memberships (room_id, user_id, role) SELECT id, {EVERYWHERE}, 'member' FROM rooms;
    INSERT INTO memberships (room_id, user_id, role) VALUES (3, {FEW}, 'member'), (50, {FEW}, 'member');
"""
EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off;
    SET client_min_messages = log;
"""
COLUMNS = (
    "room_id", "author_id", "client_id", "body", "body_html", "continues", "starts_day", "position", "posted_revision",
    "revision", "created_at",
)  # fmt: skip


def run(repetitions: int) -> list[Line]:
    folder = temporary_folder("search")
    with embedded.postgres(Path(folder)) as url:
        migrate(url)
        return asyncio.run(_measure(url, repetitions))


async def _measure(url: str, repetitions: int) -> list[Line]:
    talk = Talk(seed=5)
    await _fill(url, talk)
    async with _engine(url) as database:
        before = time.perf_counter()
        async with asyncio.timeout(1800):
            while await Indexing(database, Questions(database), int)._serve_rooms():
                pass
        made = time.perf_counter() - before
        async with database.connect() as connection:
            automatic = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await automatic.exec_driver_sql("VACUUM ANALYZE")
        lines = [Line("making 1,000,000 messages searchable, a second", f"{MESSAGES / made:,.0f}", "", None)]
        for name, person in (("in all 100 rooms", EVERYWHERE), ("in 2 of 100 rooms", FEW)):
            times = await _times(database, person, _questions(talk), repetitions)
            middle = [statistics.median(each) * 1000 for each in times.values()]
            worst = max(times, key=lambda question: statistics.median(times[question]))
            lines += [
                Line(
                    f"a search of 1,000,000 messages, {name}: median of {len(times)} questions",
                    spread(middle, " ms"),
                    "< 50 ms",
                    statistics.median(middle) < 50,
                ),
                Line(f"the slowest of them, {name}", f"“{worst}”, {max(middle):.0f} ms", "", None),
            ]
    print(f"How “{talk.latin[200]}” is found:\n  Limit{await _plan(url, talk.latin[200])}")
    return lines


def _questions(talk: Talk) -> list[str]:
    """Return questions: frequent and rare words of each script, parts of words, several words, and operators."""
    latin, korean, japanese = talk.latin, talk.korean, talk.japanese
    return [
        *(words[rank] for words in (latin, korean, japanese) for rank in (0, 10, 200, 5_000, 40_000)),
        *(max(latin[rank : rank + 50], key=len)[1:] for rank in (0, 200, 5_000)),
        f"{latin[0]} {latin[1]}",
        f"{latin[0]} {latin[5_000]}",
        f"{latin[200]} {latin[300]} {latin[400]}",
        f'"{latin[3]} {latin[0]}"',
        f"{latin[5]} -{latin[0]}",
        f"{latin[0]} from:me",
        f'{latin[2]} from:"Person 77"',
        f'{latin[200]} in:"Room 50"',
        f'{latin[0]} in:"Room 3" has:link',
        "has:link",
        "from:me",
        f"{latin[30]} after:2020-01-01",
        "nothingofthatkind",
    ]


async def _times(database: AsyncEngine, person: int, questions: list[str], count: int) -> dict[str, list[float]]:
    visitor = _visitor(person)
    times: dict[str, list[float]] = {question: [] for question in questions}
    for _ in range(count + 1):
        for question in questions:
            before = time.perf_counter()
            await find(database, visitor, parse_search(question, datetime.now(UTC)), Part())
            times[question].append(time.perf_counter() - before)
    # The first search reads from the disk; later searches find the pages in memory.
    return {question: each[1:] for question, each in times.items()}


def _visitor(person: int) -> Visitor:
    return Visitor(UserId(person), f"Person {person}", email="", is_administrator=False, session_id=SessionId(1))


async def _fill(url: str, talk: Talk) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(PLACES)
    now = datetime.now(UTC)
    await connection.copy_records_to_table(
        "messages",
        columns=COLUMNS,
        records=(
            (
                number % ROOMS + 1,
                number % PEOPLE + 1,
                f"{number:032x}",
                body,
                body,
                False,
                False,
                place,
                place,
                place,
                now,
            )
            for number, body in enumerate(talk.messages(MESSAGES))
            for place in [number // ROOMS + 1]
        ),
    )
    await connection.close()


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url)
    yield engine
    await engine.dispose()


async def _plan(url: str, word: str) -> str:
    """Return PostgreSQL's plan for a question."""
    plans: list[str] = []
    async with _engine(url) as database:

        @event.listens_for(database.sync_engine, "connect")
        def explain(connection: AsyncAdapt_asyncpg_connection, _: object) -> None:
            connection.driver_connection.add_log_listener(lambda _, message: plans.append(message.message))
            connection.run_async(lambda driver: driver.execute(EXPLAIN))

        visitor = _visitor(EVERYWHERE)
        await find(database, visitor, parse_search(word, datetime.now(UTC)), Part())
    plan = next(plan for plan in plans if "ts_rank" in plan).partition("Limit")[2]
    return "\n".join(line[:150] for line in plan.splitlines())
