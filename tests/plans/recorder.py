"""The chat's server, which writes down the plan of each statement it sends: `python -m tests.plans.recorder`.

PostgreSQL's `auto_explain` returns each plan to the connection, with the rows that were really read. The place is the
innermost line of the chat that waits for the statement.
"""

import json
import os
import re
import sys
from pathlib import Path
from types import FrameType

import asyncpg
import greenlet  # type: ignore[import-untyped]  # it has no types
from sqlalchemy import Engine, event, select
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection, AsyncAdapt_asyncpg_cursor

from chat.__main__ import main
from chat.database.direct import DirectRow, DirectStatement
from chat.database.poolers import Connection
from chat.database.questions import Question, Questions
from chat.messages import previewing
from chat.throttling import postgres

FILE = "SIMPLECHAT_PLANS"  # the environment's name for the file that plans are appended to
CHAT_FOLDER = Path(__file__).resolve().parents[2] / "chat"
CHAT = f"{CHAT_FOLDER}{os.sep}"
_IN_CHAT = re.compile(rf"{re.escape(CHAT)}(?!database/)")
# Asked by SQLAlchemy and asyncpg, or by a foreign key for a single row. One that deletes rows is written down.
_NOT_OURS = re.compile(r"(?<!OPERATOR\()pg_catalog\.|SELECT 1 FROM ONLY")
_EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_buffers = on;
    SET auto_explain.log_timing = off;
    SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_format = json;
    SET client_min_messages = log;
"""


class _Places:
    """The places in the chat that wait for each statement of a connection.

    PostgreSQL returns a plan when the next statement begins: within a transaction it is not that of the latest one.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int]] = {}
        self._latest = ("", 0)

    def note(self, statement: str) -> None:
        self._latest = self._known[statement] = _place()

    def of(self, statement: str) -> tuple[str, int]:
        """Return the module and line; of a trigger's statement, those of the one that fired it."""
        return self._known.get(statement, self._latest)


def _place() -> tuple[str, int]:
    frame: FrameType | None = sys._getframe()
    current = greenlet.getcurrent()
    while current is not None:
        if found := _innermost(frame):
            return found.f_code.co_filename.removeprefix(CHAT), found.f_lineno
        current = current.parent
        frame = current and current.gr_frame
    return "database", 0


def _innermost(frame: FrameType | None) -> FrameType | None:
    while frame is not None and not _IN_CHAT.match(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


async def _ask_alone(questions: Questions, question: Question, **parameters: object) -> tuple[object, ...]:
    """Answer a question by a statement of its own, so that it has a plan of its own, and a place."""
    (row,) = await DirectStatement(select(*question.values)).rows(questions._database, **parameters)
    return tuple(row)


def record(file: Path) -> None:
    """Append the plan of each statement to a file, from now on."""

    @event.listens_for(Engine, "connect")
    def explain(connection: AsyncAdapt_asyncpg_connection, _: object) -> None:
        places = connection.driver_connection.places = _Places()

        def write(_: asyncpg.Connection, message: asyncpg.PostgresLogMessage) -> None:
            plan = message.message.partition("plan:\n")[2]
            if not plan or _NOT_OURS.search(plan):
                return
            recorded = json.loads(plan)
            module, line = places.of(recorded["Query Text"])
            with file.open("a") as plans:
                plans.write(json.dumps({"module": module, "line": line, **recorded}) + "\n")

        connection.driver_connection.add_log_listener(write)
        connection.run_async(lambda driver: driver.execute(_EXPLAIN))

    fetch = DirectStatement._fetch

    async def note_and_fetch(
        direct: DirectStatement, connection: Connection, arguments: list[object]
    ) -> list[DirectRow]:
        connection.places.note(direct._text)
        return await fetch(direct, connection, arguments)

    DirectStatement._fetch = note_and_fetch  # type: ignore[assignment, method-assign]  # as a subclass would
    Questions.ask = _ask_alone  # type: ignore[assignment, method-assign]  # as above

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_: object, cursor: AsyncAdapt_asyncpg_cursor, statement: str, *__: object) -> None:
        cursor._connection.places.note(statement)  # type: ignore[attr-defined]  # set above


if __name__ == "__main__":
    previewing.TIDY_SECONDS = postgres.SWEEP_SECONDS = 1.0  # so that what is done once an hour is seen
    record(Path(os.environ[FILE]))
    main(["serve"])
