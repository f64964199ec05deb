"""Deleting what no message has any more, while the store does not work."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from sqlalchemy import func, insert, select

from chat.database.engine import create_engine
from chat.database.questions import Questions
from chat.derived_tables import stray_objects
from chat.files import tidying
from chat.files.opening import open_store
from chat.files.store import Store
from chat.files.tidying import FileTidying
from tests.support.s3_server import BUCKET, CREDENTIALS

OBJECTS = 150


@pytest.fixture(params=["folder", "bucket"])
def broken_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A folder that is none, and a bucket whose server takes connections but never answers."""
    if request.param == "folder":
        (tmp_path / "files").write_text("not a folder")
        yield open_store(str(tmp_path / "files"))
        return
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield open_store(f"s3://{BUCKET}?endpoint=http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.anyio
async def test_a_store_that_is_away_is_asked_once_and_then_after_a_pause(
    database_url: str, broken_store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tidying, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr(tidying, "DELETE_SECONDS", 0.5)
    # Some multiple of a shorter time may be just now.
    monkeypatch.setattr(tidying, "EVERY_SECONDS", 1_000_000_000)
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(insert(stray_objects), [{"key": uuid4()} for _ in range(OBJECTS)])
    with caplog.at_level(logging.WARNING), anyio.move_on_after(4):
        await FileTidying(engine, Questions(engine), broken_store).run()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "Files cannot be kept in the folder or bucket of FILES_URL",
        "Could not delete a file from the store, and will try again",
    ]
    async with engine.connect() as connection:
        due = select(func.count()).where(stray_objects.c.due_at <= func.now())
        assert (await connection.execute(due)).scalar_one() == OBJECTS - 1, "the others go as soon as the store is back"
    await engine.dispose()
