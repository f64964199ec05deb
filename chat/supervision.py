"""Background tasks that are restarted when they fail, and named while they are down."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio.abc import TaskGroup

from chat.audit import request_context

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before a task starts again
STEADY_SECONDS = 1.0  # a task that has run this long since its last start is up
CALM_SECONDS = 60.0  # after running this long, a task's next failure gets the first pause again


class Failures:
    """The names of the process's background tasks that are down; `/readyz` shows them."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.restarts: Counter[str] = Counter()  # by the names' beginnings, as a room's task has the room's number

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def add(self, name: str) -> None:
        """Note that a task is down."""
        self._names.add(name)

    def discard(self, name: str) -> None:
        """Note that a task is up, or no longer needed."""
        self._names.discard(name)


class Supervisor:
    """Starts tasks in a group; a task that fails does not end the others."""

    def __init__(self, group: TaskGroup, failures: Failures) -> None:
        self._group = group
        self._failures = failures

    def keep(self, work: Callable[[], Awaitable[None]], name: str, *, may_end: bool = False) -> None:
        """Run a task for as long as the group lives, as `keep` does."""
        self._group.start_soon(partial(keep, work, name, self._failures, may_end=may_end), name=name)

    def end(self) -> None:
        """Cancel all tasks."""
        self._group.cancel_scope.cancel()

    def once(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Run a task once; a failure is logged, and the caller must retry."""
        self._group.start_soon(_try, work, name, name=name)


@asynccontextmanager
async def supervised(failures: Failures | None = None) -> AsyncIterator[Supervisor]:
    """Open a group of supervised tasks, which all end with it."""
    async with anyio.create_task_group() as group:
        yield Supervisor(group, failures or Failures())


async def keep(work: Callable[[], Awaitable[None]], name: str, failures: Failures, *, may_end: bool = False) -> None:
    """Run `work` until cancelled, and again after an error, with growing pauses.

    Returning is an error unless it `may_end`. An error is logged with its traceback, and `name` is among `failures`
    from then until the work has run for a second.
    """
    # A task started by one request serves all requests.
    request_context.set(None)
    pause = FIRST_PAUSE
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        recovery = loop.call_later(STEADY_SECONDS, failures.discard, name)
        try:
            await work()
            if may_end:
                failures.discard(name)
                return
            raise RuntimeError("it ended by itself")
        except Exception:
            if loop.time() - started > CALM_SECONDS:
                pause = FIRST_PAUSE
            failures.add(name)
            failures.restarts[name.partition(":")[0]] += 1
            logger.exception("The task %s failed; it starts again in %g s", name, pause)
        finally:
            recovery.cancel()
        await pause_before_restart(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def pause_before_restart(seconds: float) -> None:
    """Wait about so many seconds: tasks of many processes may have failed at once."""
    await anyio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311  no secret


async def _try(work: Callable[[], Awaitable[None]], name: str) -> None:
    request_context.set(None)
    try:
        await work()
    except Exception:
        logger.exception("The task %s failed", name)
