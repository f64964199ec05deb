"""Background tasks that fail are restarted, and worker processes that die."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import psutil
import pytest

from chat import supervision
from chat.batches import Batches
from chat.supervision import Failures, keep, supervised
from tests.support.people import first_run
from tests.support.server import ChatServer, until_ready


@pytest.mark.anyio
async def test_the_pause_before_a_restart_grows_until_a_task_runs_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.04)
    pauses: list[float] = []
    sleep = asyncio.sleep
    monkeypatch.setattr(random, "uniform", lambda _least, _most: 1.0)

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(anyio, "sleep", note)
    failures, runs = Failures(), 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 6:
            monkeypatch.setattr(supervision, "CALM_SECONDS", -1)
        if runs < 8:
            raise ValueError(runs)

    await keep(work, "it", failures, may_end=True)
    assert pauses == [0.01, 0.02, 0.04, 0.04, 0.04, 0.01, 0.01]
    assert list(failures) == []


@pytest.mark.anyio
async def test_a_failing_task_leaves_others_alone_and_ends_with_its_group(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.01)

    async def fail() -> None:
        raise ValueError("of its own")

    async def end() -> None:
        pass

    async with supervised(failures) as tasks:
        for work in (beat, fail, end):
            tasks.keep(work, work.__name__)
        tasks.once(fail, "once")
        await asyncio.sleep(0.2)
        before = beats
        await asyncio.sleep(0.2)
        assert beats > before
        assert list(failures) == ["end", "fail"]
        tasks.end()
    traced = [line.getMessage() for line in caplog.records if line.exc_info]
    assert any(message.startswith("The task fail failed; it starts again in") for message in traced)
    assert "The task once failed" in traced


@pytest.mark.anyio
async def test_a_batch_with_too_few_answers_leaves_no_request_waiting() -> None:
    async def answer_none(items: list[int]) -> list[int]:
        return []

    batches: Batches[int, int] = Batches(answer_none, 10)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="0 answers to 1 questions"):
            await asyncio.wait_for(batches.ask(1), 10)


def test_a_worker_process_that_dies_is_replaced_and_logged(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, WEB_CONCURRENCY="2")
    alice = first_run(server)
    assert server.process is not None

    def workers() -> set[int]:
        found = set()
        for child in psutil.Process(server.process.pid).children() if server.process else []:
            with suppress(psutil.NoSuchProcess):
                if "spawn_main" in " ".join(child.cmdline()):
                    found.add(child.pid)
        return found

    before = workers()
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(workers() - before) < 1 or killed in workers():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    until_ready(server.url)
    assert alice.post(1, "still here").status_code == 200
    server.stop()
    assert f"INFO uvicorn.error: Child process [{killed}] died" in server.log
