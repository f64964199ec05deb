"""The queue for password hashing."""

import asyncio
import threading

import pytest

from chat.accounts.hashing import Asker, HashQueue
from chat.errors import TooManyRequests

pytestmark = pytest.mark.anyio


class Door:
    """A queue in which work waits for `open`, and the finished work in order."""

    def __init__(self, most_waiting: int = 10) -> None:
        self.queue = HashQueue(at_a_time=1, most_waiting=most_waiting)
        self.open = threading.Event()
        self.through: list[str] = []

    async def come(self, name: str, asker: Asker) -> str:
        return await self.queue.run(asker, self._pass, name)

    def _pass(self, name: str) -> str:
        self.open.wait(30)
        self.through.append(name)
        return name

    async def arrive(self, name: str, asker: Asker) -> "asyncio.Task[str]":
        """Add a request, which is queued when this returns."""
        task = asyncio.create_task(self.come(name, asker))
        await asyncio.sleep(0)
        return task


async def test_known_browsers_come_first_and_addresses_take_turns() -> None:
    door = Door()
    crowd = Asker("192.0.2.1")
    tasks = [await door.arrive(f"crowd {number}", crowd) for number in range(5)]
    tasks.append(await door.arrive("neighbour", Asker("192.0.2.2")))
    tasks.append(await door.arrive("known", Asker("192.0.2.1", is_known=True)))
    door.open.set()
    await asyncio.gather(*tasks)
    assert door.through == ["crowd 0", "known", "crowd 1", "neighbour", "crowd 2", "crowd 3", "crowd 4"]


async def test_a_full_queue_refuses_the_busiest_addresss_last_request() -> None:
    door = Door(most_waiting=4)
    tasks = [await door.arrive(f"crowd {number}", Asker("192.0.2.1")) for number in range(150)]
    neighbour = await door.arrive("neighbour", Asker("192.0.2.2"))
    assert door.queue.waiting == 4
    door.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    assert len(refused) == 146
    assert refused[0].seconds == 3
    assert await neighbour == "neighbour"
    assert len(door.through) == 5


async def test_a_cancelled_request_leaves_its_place_in_the_queue_to_the_next() -> None:
    door = Door()
    first = await door.arrive("first", Asker("192.0.2.1"))
    second = await door.arrive("second", Asker("192.0.2.2"))
    third = await door.arrive("third", Asker("192.0.2.3"))
    second.cancel()
    door.open.set()
    assert await first == "first"
    assert await third == "third"
    assert door.queue.waiting == 0
    assert await door.come("fourth", Asker()) == "fourth"


async def test_a_request_cancelled_in_its_turn_passes_the_turn_on() -> None:
    door = Door()
    first = await door.arrive("first", Asker("192.0.2.1"))
    second = await door.arrive("second", Asker("192.0.2.2"))
    give_turns = door.queue._next

    def give_turns_and_cancel() -> None:
        give_turns()
        second.cancel()

    # Its turn has come, but it has not run yet.
    door.queue._next = give_turns_and_cancel  # type: ignore[method-assign]  # a moment no test can hit
    door.open.set()
    await first
    assert await asyncio.wait_for(door.come("third", Asker()), 20) == "third"
