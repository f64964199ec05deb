"""Work done in batches."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from chat.batches import Batches

pytestmark = pytest.mark.anyio


class Doubling:
    """Doubles numbers and keeps its batches. Odd numbers cannot be doubled; 13 spoils its whole batch."""

    def __init__(self) -> None:
        self.came: list[list[int]] = []

    async def __call__(self, numbers: list[int]) -> Sequence[int | Exception]:
        self.came.append(numbers)
        await asyncio.sleep(0.01)
        if 13 in numbers:
            raise ArithmeticError
        return [2 * number if number % 2 == 0 else ValueError(number) for number in numbers]


async def test_a_lone_request_runs_at_once_and_later_requests_share_a_batch() -> None:
    doubling = Doubling()
    batches = Batches(doubling, most=3)
    assert await asyncio.gather(*(batches.ask(number) for number in (2, 4, 6, 8, 10))) == [4, 8, 12, 16, 20]
    assert await batches.ask(12) == 24
    assert doubling.came == [[2, 4, 6], [8, 10], [12]]


async def test_a_lone_request_runs_at_once_and_those_of_a_crowd_gather() -> None:
    doubling = Doubling()
    batches = Batches(doubling, most=10, apart=2.0)
    began = time.monotonic()
    assert await batches.ask(2) == 4
    assert time.monotonic() - began < 2
    crowd = [asyncio.create_task(batches.ask(number)) for number in (4, 6)]
    await asyncio.sleep(0.1)
    assert await batches.ask(8) == 16
    assert [await each for each in crowd] == [8, 12]
    assert time.monotonic() - began >= 2
    assert doubling.came == [[2], [4, 6, 8]]


async def test_a_batch_of_a_crowd_has_what_arrived_while_the_one_before_was_answered() -> None:
    doubling = Doubling()
    batches = Batches(doubling, most=10, rounds=8)

    async def talk(number: int) -> None:
        for _ in range(10):
            await batches.ask(number)
            for _ in range(number):
                await asyncio.sleep(0)  # as an answer and the next frame pass the event loop

    await asyncio.gather(talk(2), talk(4), talk(6))
    assert doubling.came == [[2, 4, 6]] * 10


async def test_a_lone_request_is_not_kept_waiting_for_a_crowd() -> None:
    doubling = Doubling()
    batches = Batches(doubling, most=10, rounds=1_000_000)
    for number in range(2, 8, 2):
        assert await batches.ask(number) == 2 * number
    assert doubling.came == [[2], [4], [6]]


async def test_a_crowd_of_more_than_a_batch_waits_for_no_more() -> None:
    doubling = Doubling()
    batches = Batches(doubling, most=2, rounds=1_000_000_000)
    first = [asyncio.create_task(batches.ask(number)) for number in range(2, 10, 2)]
    async with asyncio.timeout(10):
        assert [await each for each in first] == [4, 8, 12, 16]
    assert doubling.came == [[2, 4], [6, 8]]
    assert batches._task is not None
    batches._task.cancel()


async def test_each_request_gets_its_own_answer_or_error() -> None:
    batches = Batches(Doubling(), most=10)
    answers = await asyncio.gather(*(batches.ask(number) for number in (2, 3, 4)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["4", "3", "8"]
    assert isinstance(answers[1], ValueError)


async def test_a_failed_batch_fails_its_own_requests_only() -> None:
    batches = Batches(Doubling(), most=2)
    answers = await asyncio.gather(*(batches.ask(number) for number in (13, 2, 4)), return_exceptions=True)
    assert isinstance(answers[0], ArithmeticError)
    assert isinstance(answers[1], ArithmeticError)
    assert answers[2] == 8


async def test_a_cancelled_request_leaves_the_others_of_its_batch_alone() -> None:
    batches = Batches(Doubling(), most=10)
    impatient, patient = (asyncio.create_task(batches.ask(number)) for number in (2, 4))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == 8
    assert impatient.cancelled()
