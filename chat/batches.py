"""Batches: items that arrive while a batch is in progress form the next one, with one round trip and one commit."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batches(Generic[Item, Answer]):
    """Gathers items of several requests into batches. A single item never waits for others.

    `work` returns the answers to up to `most` items in their order, with an exception for an item that failed. One
    batch is in progress at a time. A batch has at most `most_bytes`, by `size`, or a single item. Batches begin at
    least `apart` seconds after each other, so that in a crowd there are fewer and larger ones. For the same reason the
    event loop goes round up to `rounds` times between two batches, which lets callers come who have just been answered.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Answer | Exception]]],
        most: int,
        *,
        size: Callable[[Item], int] = lambda _: 0,
        most_bytes: int = 0,
        apart: float = 0,
        rounds: int = 0,
    ) -> None:
        self._work = work
        self._most = most
        self._size = size
        self._most_bytes = most_bytes
        self._apart = apart
        self._rounds = rounds
        self._next_at = 0.0
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Answer:
        """Return the answer to an item; raises its exception, or the one that `work` raised for the whole batch."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._task is None:
            # In a context of its own, because the task works for all callers.
            self._task = asyncio.create_task(self._run_batches(), name="batches", context=contextvars.Context())
        return await answer

    async def _run_batches(self) -> None:
        try:
            while self._waiting:
                if self._apart:
                    await self._wait_for_others()
                batch = self._next_batch()
                answers = await self._answers([item for item, _ in batch])
                for (_, asked), answer in zip(batch, answers, strict=True):
                    if asked.done():
                        continue  # the caller was cancelled
                    if isinstance(answer, Exception):
                        asked.set_exception(answer)
                    else:
                        asked.set_result(answer)
                if self._waiting or len(batch) > 1:
                    await self._let_others_come()
        finally:
            self._task = None
            for _, asked in self._waiting:
                asked.cancel()

    async def _let_others_come(self) -> None:
        """Let the event loop go round until the next batch is full, a few times at most."""
        for _ in range(self._rounds):
            if len(self._waiting) >= self._most:
                return
            await asyncio.sleep(0)

    async def _wait_for_others(self) -> None:
        loop = asyncio.get_running_loop()
        if (early := self._next_at - loop.time()) > 0:
            await asyncio.sleep(early)
        self._next_at = loop.time() + self._apart

    async def _answers(self, items: list[Item]) -> Sequence[Answer | Exception]:
        """Answer every item, with an exception at worst, so that no caller waits for ever."""
        try:
            answers = await self._work(items)
            if len(answers) != len(items):
                raise RuntimeError(f"{len(answers)} answers to {len(items)} questions")
        except Exception as error:
            return [error] * len(items)
        return answers

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        number, taken = 1, self._size(self._waiting[0][0])
        for item, _ in self._waiting[1 : self._most]:
            taken += self._size(item)
            if taken > self._most_bytes:
                break
            number += 1
        batch, self._waiting = self._waiting[:number], self._waiting[number:]
        return batch
