"""Questions to the database that are asked at the same moment, and answered by one statement.

A statement costs a process that is else idle several times as much as a question of it: the process and PostgreSQL's
are woken for it, and read and write their sockets.
"""

import asyncio
from collections.abc import Mapping
from contextvars import Context
from itertools import islice
from typing import Any, NamedTuple

import anyio
from sqlalchemy import ColumnElement, TextClause, select
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.database.direct import DirectStatement
from chat.database.engine import time_limit

# When a shared statement takes longer, each question gets its own: one of them may wait for a locked table.
SHARED_SECONDS = 2.0

Value = ColumnElement[Any] | TextClause
Answer = tuple[Any, ...]


class Question:
    """Some values that the database knows, each a subquery. Its parameters have names that no other question has."""

    def __init__(self, *values: Value) -> None:
        self.values = values


class _Asked(NamedTuple):
    parameters: Mapping[str, object]
    answer: asyncio.Future[Answer]


class _Moment:
    """The questions of one moment, and the task that answers them."""

    def __init__(self) -> None:
        self.asked: dict[Question, _Asked] = {}
        self.task: asyncio.Task[None]


class Questions:
    """Answers questions to a database."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._now: _Moment | None = None
        self._statements: dict[tuple[Question, ...], DirectStatement] = {}

    async def ask(self, question: Question, **parameters: object) -> Answer:
        """Return the values that a question is about; raises `DatabaseUnavailable`."""
        moment = self._now
        if moment is None or question in moment.asked:
            moment = self._now = _Moment()
            # It starts when all that was woken at this moment has asked. In a context of its own: it works for all.
            moment.task = asyncio.create_task(self._answer(moment), name="questions", context=Context())
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        moment.asked[question] = _Asked(parameters, answer)
        try:
            return await answer
        finally:
            if all(each.answer.cancelled() for each in moment.asked.values()):
                self._end(moment)
                moment.task.cancel()

    def _end(self, moment: _Moment) -> None:
        if self._now is moment:
            self._now = None

    async def _answer(self, moment: _Moment) -> None:
        self._end(moment)
        try:
            if len(moment.asked) == 1 or not await self._answer_together(moment.asked):
                async with anyio.create_task_group() as tasks:
                    for question, asked in moment.asked.items():
                        if not asked.answer.done():
                            tasks.start_soon(self._answer_alone, question, asked)
        finally:
            for asked in moment.asked.values():
                asked.answer.cancel()  # unless it is there

    async def _answer_together(self, asked: Mapping[Question, _Asked]) -> bool:
        """Answer questions by one statement; False if it fails, perhaps because of one of them."""
        try:
            async with time_limit(SHARED_SECONDS):
                await self._fetch(asked)
        except Exception:
            return False
        return True

    async def _answer_alone(self, question: Question, asked: _Asked) -> None:
        try:
            await self._fetch({question: asked})
        except Exception as error:
            if not asked.answer.done():
                asked.answer.set_exception(error)

    async def _fetch(self, asked: Mapping[Question, _Asked]) -> None:
        questions = tuple(sorted(asked, key=id))
        if questions not in self._statements:
            self._statements[questions] = DirectStatement(select(*(v for each in questions for v in each.values)))
        parameters = {name: value for each in asked.values() for name, value in each.parameters.items()}
        (row,) = await self._statements[questions].rows(self._database, **parameters)
        values = iter(row)
        for question in questions:
            answer = tuple(islice(values, len(question.values)))
            if not asked[question].answer.done():
                asked[question].answer.set_result(answer)
