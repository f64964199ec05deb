"""A connection to a broker's server that is made anew whenever it is lost."""

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import Generic, NoReturn, TypeVar

import anyio

logger = logging.getLogger("chat.live.broker")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts
STEADY_SECONDS = 5.0  # a connection that held this long was not flapping

Connection = TypeVar("Connection")


class Link(Generic[Connection]):
    """Opens a connection again and again. Each is given to `use`, which ends by raising.

    The log has a line for each loss and each return. An error that was not `foreseen` comes with its traceback.
    """

    def __init__(
        self,
        server: str,
        purpose: str,
        open_connection: Callable[[], AbstractAsyncContextManager[Connection]],
        use: Callable[[Connection], Awaitable[None]],
        foreseen: tuple[type[Exception], ...],
    ) -> None:
        self._server, self._purpose = server, purpose
        self._open, self._use, self._foreseen = open_connection, use, foreseen
        self._up_since: float | None = None
        self.is_away = False  # known by a failure: neither at the start nor before the loss is noticed

    @property
    def is_up(self) -> bool:
        return self._up_since is not None

    def up(self) -> None:
        """Say that the connection serves its purpose."""
        self._up_since = self._up_since or monotonic()
        if self.is_away:
            self.is_away = False
            logger.info("%s is back for %s", self._server, self._purpose)

    async def run(self) -> NoReturn:
        """Connect again and again until cancelled."""
        failures = 0
        while True:
            try:
                async with self._open() as connection:
                    await self._use(connection)
            except Exception as error:
                self._note_failure(error)
            finally:
                if self._up_since is not None and monotonic() - self._up_since > STEADY_SECONDS:
                    failures = 0
                self._up_since = None
            failures = min(failures + 1, 10)
            await anyio.sleep(random.uniform(FIRST_PAUSE, min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE)))  # noqa: S311

    def _note_failure(self, error: Exception) -> None:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if not self.is_away:
            self.is_away = True
            unforeseen = None if isinstance(error, (*self._foreseen, OSError)) else error
            text = str(error) or repr(error)
            logger.warning("%s is away for %s: %s", self._server, self._purpose, text, exc_info=unforeseen)
