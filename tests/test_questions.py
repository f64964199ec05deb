"""Questions of the same moment share a statement, and not each other's faults."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import BigInteger, bindparam, text

from chat.database import questions
from chat.database.engine import create_engine
from chat.database.questions import Question, Questions, _Asked
from chat.errors import DatabaseUnavailable
from chat.messages.history import _HEADS

pytestmark = pytest.mark.anyio

TWICE = Question(text(":number * 2").bindparams(bindparam("number", type_=BigInteger)))
BOTH = Question(text("'a'"), text("ARRAY(SELECT generate_series(1, 3))"))
BROKEN = Question(text("1 / :zero").bindparams(bindparam("zero", type_=BigInteger)))
LOCKED = Question(text("EXISTS (SELECT FROM stray_objects)"))
ENDLESS = Question(text("pg_sleep(60)"))


class Counted(Questions):
    """Counts the statements."""

    statements = 0

    async def _fetch(self, asked: Mapping[Question, _Asked]) -> None:
        self.statements += 1
        await super()._fetch(asked)


@asynccontextmanager
async def counted(url: str) -> AsyncIterator[Counted]:
    database = create_engine(url)
    asked = Counted(database)

    try:
        yield asked
    finally:
        await database.dispose()


async def test_questions_of_a_moment_are_one_statement(database_url: str) -> None:
    async with counted(database_url) as asked:
        for _ in range(3):
            answers = await asyncio.gather(asked.ask(TWICE, number=21), asked.ask(BOTH), asked.ask(_HEADS, heads_of=[]))
            assert answers[0] == (42,)
            assert answers[1] == ("a", [1, 2, 3])
        assert asked.statements == 3
        assert await asked.ask(BOTH) == ("a", [1, 2, 3])


async def test_a_question_that_is_asked_twice_gets_each_answer(database_url: str) -> None:
    async with counted(database_url) as asked:
        answers = await asyncio.gather(*(asked.ask(TWICE, number=number) for number in range(5)), asked.ask(BOTH))
        assert answers == [(0,), (2,), (4,), (6,), (8,), ("a", [1, 2, 3])]


async def test_only_the_question_at_fault_fails(database_url: str) -> None:
    async with counted(database_url) as asked:
        answers = await asyncio.gather(asked.ask(TWICE, number=1), asked.ask(BROKEN, zero=0), return_exceptions=True)
        assert answers[0] == (2,)
        assert isinstance(answers[1], asyncpg.DivisionByZeroError)


async def test_a_question_about_a_locked_table_does_not_hold_up_the_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SHARED_SECONDS", 0.3)
    locking = await asyncpg.connect(database_url)
    async with counted(database_url) as asked:
        async with locking.transaction():
            await locking.execute("LOCK stray_objects")
            late = asyncio.create_task(asked.ask(LOCKED))
            assert await asked.ask(TWICE, number=1) == (2,)
            assert await asked.ask(TWICE, number=2) == (4,)
            assert not late.done()
        assert await late == (False,)
    await locking.close()


async def test_a_question_that_nobody_waits_for_is_cancelled(database_url: str) -> None:
    async with counted(database_url) as asked:
        early, late = (asyncio.create_task(asked.ask(question)) for question in (BOTH, ENDLESS))
        await asyncio.sleep(0)
        early.cancel()
        late.cancel()
        assert await asked.ask(TWICE, number=1) == (2,)
        late = asyncio.create_task(asked.ask(ENDLESS))
        await asyncio.sleep(0.2)
        late.cancel()
        async with asyncio.timeout(30):
            while any(task.get_name() == "questions" for task in asyncio.all_tasks()):
                await asyncio.sleep(0.01)


async def test_questions_fail_while_the_database_is_away() -> None:
    async with counted("postgresql://nobody@127.0.0.1:1/none") as asked:
        answers = await asyncio.gather(asked.ask(TWICE, number=1), asked.ask(BOTH), return_exceptions=True)
        assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 2
