"""Counting: the same rules in memory, in Redis and in PostgreSQL."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from limits.aio.storage import Storage

from chat.database.engine import create_engine
from chat.errors import TooManyRequests
from chat.throttling.counting import Counting
from chat.throttling.memory import MemoryStorage
from chat.throttling.postgres import PostgresCounters
from chat.throttling.redis import RedisCounters
from chat.throttling.rules import DAY, Budget, Rule
from chat.throttling.throttling import Throttling
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.anyio

THREE = Rule("three", "Too many.", (Budget("person", 3, 30),))
BRIEF = Rule("brief", "Too many.", (Budget("person", 1, 1),))
GUESS = Rule("guess", "Too many.", (Budget("guess", 2, DAY, longest_delay=600),))


@asynccontextmanager
async def storage_of(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    if kind == "memory":
        yield MemoryStorage()
    elif kind == "redis":
        redis = RedisCounters(request.getfixturevalue("redis_server").url)
        yield redis
        await redis.close()
    else:
        database = create_engine(request.getfixturevalue("database_url"))
        yield PostgresCounters(database)
        await database.dispose()


KINDS = ["memory", "redis", "postgres"]
each_storage = pytest.mark.parametrize("kind", KINDS)


@each_storage
async def test_a_used_up_budget_refuses_attempts_and_says_how_long_to_wait(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with storage_of(kind, request) as storage:
        counting = Counting(storage, 1)
        budget = THREE.budgets[0]
        assert [await counting.draw(THREE, budget, "alice") for _ in range(3)] == [0, 0, 0]
        assert 0 < await counting.draw(THREE, budget, "alice") <= 31
        assert await counting.draw(THREE, budget, "bob") == 0
        assert await storage.check()


@each_storage
async def test_a_budget_is_full_again_after_its_time(kind: str, request: pytest.FixtureRequest) -> None:
    async with storage_of(kind, request) as storage:
        counting, budget = Counting(storage, 1), BRIEF.budgets[0]
        assert await counting.draw(BRIEF, budget, "alice") == 0
        while seconds := await counting.draw(BRIEF, budget, "alice"):
            assert seconds <= 2
            await asyncio.sleep(0.1)


@each_storage
async def test_simultaneous_attempts_do_not_exceed_the_budget(kind: str, request: pytest.FixtureRequest) -> None:
    async with storage_of(kind, request) as storage:
        counting, budget = Counting(storage, 1), GUESS.budgets[0]
        answers = await asyncio.gather(*(counting.draw(GUESS, budget, "alice") for _ in range(40)))
        # Two attempts, and the first delayed attempt. Further delayed attempts pass only after a second.
        assert 3 <= answers.count(0) <= 5


async def test_the_delay_doubles_and_refused_attempts_do_not_lengthen_it(request: pytest.FixtureRequest) -> None:
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(storage_of(kind, request)) for kind in KINDS]
        # At the same time, as they wait for seconds.
        await asyncio.gather(*(the_delay_doubles(storage) for storage in storages))


async def the_delay_doubles(storage: Storage) -> None:
    counting, budget = Counting(storage, 1), GUESS.budgets[0]
    passed, seconds = 0, 0.0
    while seconds < 2.5:
        seconds = await counting.draw(GUESS, budget, "alice")
        if not seconds:
            passed += 1
            continue
        # Redis returns whole seconds.
        assert 0 < seconds <= 2 ** (passed - 3) + 0.1, storage
        for _ in range(20):
            passed += await counting.draw(GUESS, budget, "alice") == 0
        await asyncio.sleep(seconds)
    assert 5 <= passed <= 8, storage


@each_storage
async def test_the_right_password_ends_the_delay(kind: str, request: pytest.FixtureRequest) -> None:
    async with storage_of(kind, request) as storage:
        counting, budget = Counting(storage, 1), GUESS.budgets[0]
        for _ in range(10):
            await counting.draw(GUESS, budget, "alice")
        await counting.forget(GUESS, budget, "alice")
        assert [await counting.draw(GUESS, budget, "alice") for _ in range(2)] == [0, 0]


async def test_memory_is_bounded_and_keeps_the_newest_counters() -> None:
    moment = itertools.count()
    storage = MemoryStorage(most=100, now=lambda: next(moment) / 1000)
    for number in range(10_000):
        await storage.incr(f"address {number}", 3600)
    assert len(storage) <= 100
    assert await storage.get("address 9999") == 1


async def test_memory_drops_counters_that_have_ended_before_others() -> None:
    moment = [0.0]
    storage = MemoryStorage(most=10, now=lambda: moment[0])
    await storage.incr("long ago, for long", 3600)
    for number in range(9):
        await storage.incr(f"brief {number}", 1)
    moment[0] = 10
    await storage.incr("new", 60)
    assert await storage.get("long ago, for long") == 1
    assert len(storage) == 2


async def test_counters_that_have_ended_are_deleted_from_the_database(database_url: str) -> None:
    database = create_engine(database_url)
    storage = PostgresCounters(database)
    await storage.incr("brief", 0)
    await storage.incr("long", 60)
    assert await storage.delete_ended() == 1
    assert await storage.get("long") == 1
    await database.dispose()


async def test_two_processes_share_a_budget(database_url: str) -> None:
    database = create_engine(database_url)
    first, second = (Throttling(PostgresCounters(database), 1) for _ in range(2))
    await first.check(THREE, {"person": "alice"})
    await second.check(THREE, {"person": "alice"})
    await first.check(THREE, {"person": "alice"})
    for throttling in (second, first):
        with pytest.raises(TooManyRequests) as refusal:
            await throttling.check(THREE, {"person": "alice"})
        assert 0 < refusal.value.seconds <= 31
    await database.dispose()


async def test_without_redis_each_process_keeps_the_limits_and_logs_it_once(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    storage = RedisCounters(redis_server.url)
    throttling = Throttling(storage, 1)
    await throttling.check(THREE, {"person": "alice"})
    redis_server.kill()
    with caplog.at_level(logging.WARNING):
        await throttling.check(THREE, {"person": "alice"})
        await throttling.check(THREE, {"person": "alice"})
        with pytest.raises(TooManyRequests):
            await throttling.check(THREE, {"person": "alice"})
        for number in range(50):
            await throttling.check(THREE, {"person": f"somebody else {number}"})
    assert len([record for record in caplog.records if "away" in record.getMessage()]) == 1
    redis_server.start()
    deadline = time.monotonic() + 20
    while "together again" not in caplog.text and time.monotonic() < deadline:
        await throttling.check(THREE, {"person": str(time.monotonic())})
        await asyncio.sleep(0.1)
    assert "together again" in caplog.text
    await storage.close()


async def test_a_single_request_waits_for_a_hanging_redis(redis_server: RedisServer) -> None:
    storage = RedisCounters(redis_server.url)
    throttling = Throttling(storage, 1)
    await throttling.check(THREE, {"person": "alice"})
    redis_server.pause()
    took = []
    for number in range(20):
        started = time.monotonic()
        await throttling.check(THREE, {"person": f"bob {number}"})
        took.append(time.monotonic() - started)
    redis_server.resume()
    # Most requests do not wait at all, and a single request waits briefly, however slow the machine is.
    assert sorted(took)[10] < 0.1
    await storage.close()
