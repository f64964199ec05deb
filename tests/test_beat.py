"""What a process does every second, it does at the same moments."""

import anyio
import pytest

from chat.beat import beat, until_beat
from tests.support.databases import query
from tests.support.people import Person

pytestmark = pytest.mark.anyio

COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


async def test_beats_of_one_length_come_together_and_longer_ones_with_shorter_ones() -> None:
    moments: dict[float, list[float]] = {0.1: [], 0.2: []}

    async def follow(every: float, pause: float) -> None:
        await anyio.sleep(pause)
        for _ in range(4):
            await beat(every)
            moments[every].append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        for every in moments:
            tasks.start_soon(follow, every, 0)
            tasks.start_soon(follow, every, 0.03)
    began = min(moments[0.1])
    for each in (*moments[0.1], *moments[0.2]):
        apart = (each - began) / 0.1
        assert abs(apart - round(apart)) < 0.4
    assert 0 < until_beat(60) <= 60


async def test_an_idle_process_asks_the_database_once_a_second(alice: Person) -> None:
    url = alice.server.database_url
    await anyio.sleep(3)  # the first request, and connections that are closed again
    before, began = query(url, COMMITS)[0][0], anyio.current_time()
    await anyio.sleep(10)
    asked, seconds = query(url, COMMITS)[0][0] - before, anyio.current_time() - began
    assert asked <= 1.5 * seconds
    assert asked >= seconds / 2, "it still asks"
