"""The page about a short break is for an unavailable database only."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import jinja2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat.app import create_app
from chat.database.engine import create_engine, reading, time_limit
from chat.errors import DatabaseUnavailable
from chat.settings import Settings
from tests.support.databases import execute, run
from tests.support.people import Person
from tests.support.postgres_server import PostgresServer
from tests.support.server import SECRET_KEY

pytestmark = pytest.mark.anyio

Handler = Callable[[Request], Awaitable[Response]]


async def answer_of(database_url: str, handler: Handler) -> httpx.Response:
    """The application's answer when a page's handler does that."""
    app = create_app(Settings.from_environment({"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY}))
    app.routes.insert(0, Route("/tried", handler))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/tried")
    await app.state.chat.database.dispose()
    return answer


async def open_missing_file(_: Request) -> Response:
    return Response(Path("/nowhere/at/all").read_text())  # noqa: ASYNC240


async def render_missing_template(_: Request) -> Response:
    raise jinja2.TemplateNotFound("misstyped.html")


async def lose_another_connection(_: Request) -> Response:
    raise ConnectionResetError("a connection of something else")


async def wait_too_long(_: Request) -> Response:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(10)
    return Response()


async def fill_another_disk(_: Request) -> Response:
    raise OSError(28, "No space left on device")


async def fail_beside_a_connection(request: Request) -> Response:
    async with reading(request.app.state.chat.database) as connection:
        await connection.execute(text("SELECT 1"))
        raise FileNotFoundError("within a use of the database")


async def ask_wrongly(request: Request) -> Response:
    async with request.app.state.chat.database.begin() as connection:
        await connection.execute(text("SELECT no_such_column FROM users"))
    return Response()


@pytest.mark.parametrize(
    "handler",
    [
        open_missing_file,
        render_missing_template,
        lose_another_connection,
        wait_too_long,
        fill_another_disk,
        fail_beside_a_connection,
        ask_wrongly,
    ],
    ids=lambda handler: handler.__name__,
)
async def test_an_unexpected_error_is_a_500_with_a_number_for_the_administrator(
    database_url: str, handler: Handler
) -> None:
    answer = await answer_of(database_url, handler)
    assert answer.status_code == 500
    assert "short break" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["content-security-policy"]


async def lose_the_database(request: Request) -> Response:
    async with reading(request.app.state.chat.database) as connection:
        await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    return Response()


async def lose_it_at_the_commit(request: Request) -> Response:
    async with request.app.state.chat.database.begin() as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with reading(request.app.state.chat.database) as other:
            await other.execute(text(f"SELECT pg_terminate_backend({pid})"))
        await asyncio.sleep(0.2)
    return Response()


async def hang(request: Request) -> Response:
    async with time_limit(0.1), reading(request.app.state.chat.database) as connection:
        await connection.execute(text("SELECT pg_sleep(10)"))
    return Response()


async def be_locked_out(request: Request) -> Response:
    async with request.app.state.chat.database.begin() as one, request.app.state.chat.database.begin() as other:
        await one.execute(text("LOCK TABLE users"))
        await other.execute(text("LOCK TABLE users NOWAIT"))
    return Response()


@pytest.mark.parametrize(
    "handler", [lose_the_database, lose_it_at_the_commit, hang, be_locked_out], ids=lambda handler: handler.__name__
)
async def test_a_database_that_cannot_answer_is_a_503_without_a_traceback(
    database_url: str, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await answer_of(database_url, handler)
    assert answer.status_code == 503
    assert "short break" in answer.text
    ours = [line for line in caplog.records if line.name.startswith("chat.")]
    assert any(line.getMessage().startswith("The database does not answer: ") for line in ours)
    assert not any(line.exc_info for line in ours)
    assert not any(line.levelno >= logging.ERROR for line in caplog.records)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(database_url, connections=2)
    yield made
    await made.dispose()


async def test_an_error_in_a_statement_is_not_a_database_failure(engine: AsyncEngine) -> None:
    with pytest.raises(DBAPIError):
        async with reading(engine) as connection:
            await connection.execute(text("SELECT nonsense"))


async def test_a_pool_without_a_free_connection_answers_503(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.pool, "_timeout", 0.2)
    async with engine.connect() as one, engine.connect() as two:
        await asyncio.gather(one.execute(text("SELECT 1")), two.execute(text("SELECT 1")))
        with pytest.raises(DatabaseUnavailable):
            async with engine.connect():
                pass
    async with engine.connect():
        pass


async def test_a_database_server_that_is_down_answers_503(postgres_server: PostgresServer) -> None:
    engine = create_engine(postgres_server.url)
    async with engine.connect() as connection:
        postgres_server.kill()
        with pytest.raises(DatabaseUnavailable):
            await connection.execute(text("SELECT 1"))
    with pytest.raises(DatabaseUnavailable):
        async with engine.connect():
            pass
    await engine.dispose()


def test_an_unexpected_error_is_in_the_log_once_with_traceback_and_number(alice: Person) -> None:
    run(execute(alice.server.database_url, "ALTER TABLE messages RENAME COLUMN body TO moved"))
    answer = alice.get("/rooms/1")
    alice.server.stop()
    assert answer.status_code == 500
    number = answer.headers["x-request-id"]
    assert number in answer.text
    lines = alice.server.log.splitlines()
    (failed,) = [line for line in lines if "Exception in ASGI application" in line and number in line]
    assert "ERROR uvicorn.error" in failed
    assert any("UndefinedColumn" in line for line in lines[lines.index(failed) :])


async def test_a_cancelled_request_stays_cancelled(engine: AsyncEngine) -> None:
    async def ask() -> None:
        async with reading(engine) as connection:
            await connection.execute(text("SELECT pg_sleep(10)"))

    asked = asyncio.create_task(ask())
    await asyncio.sleep(0.3)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
