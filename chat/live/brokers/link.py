"""A connection to a broker's server that is opened again whenever it is lost."""

import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import Generic, NoReturn, TypeVar

import anyio

from chat.reminder import Reminder

logger = logging.getLogger("chat.live.brokers.broker")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts
STEADY_SECONDS = 5.0  # a connection that held this long was not flapping

Connection = TypeVar("Connection")


class Link(Generic[Connection]):
    """Opens a connection again and again. Each is given to `use`, which ends by raising.

    It logs each loss and each return, and one line a minute in between; links may share the `reminder` that paces
    these. An error that was not `foreseen` is logged with its traceback. `on_distrust` tells an administrator what to
    do about a certificate that is not trusted.
    """

    def __init__(
        self,
        server: str,
        purpose: str,
        open_connection: Callable[[], AbstractAsyncContextManager[Connection]],
        use: Callable[[Connection], Awaitable[None]],
        foreseen: tuple[type[Exception], ...],
        *,
        reminder: Reminder,
        on_distrust: str,
    ) -> None:
        self._server, self._purpose = server, purpose
        self._open, self._use, self._foreseen = open_connection, use, foreseen
        self._up_since: float | None = None
        self._reminder = reminder
        self._on_distrust = on_distrust
        self.connections = 0  # that worked, since the start
        self.failure = ""  # the reason why it is away
        self.is_away = False  # only after a failure: false before the first attempt, and until a loss is noticed

    @property
    def is_up(self) -> bool:
        return self._up_since is not None

    def up(self) -> None:
        """Note that the connection works."""
        if self._up_since is None:
            self._up_since = monotonic()
            self.connections += 1
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
            await anyio.sleep(random.uniform(FIRST_PAUSE, min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE)))  # noqa: S311  no secret

    def _note_failure(self, error: Exception) -> None:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        self.failure = _explain(error, self._on_distrust)
        if not self.is_away:
            self.is_away = True
            self._reminder.is_due()
            unforeseen = None if isinstance(error, (*self._foreseen, OSError)) else error
            logger.warning("%s is away for %s: %s", self._server, self._purpose, self.failure, exc_info=unforeseen)
        elif self._reminder.is_due():
            logger.warning(
                "%s is still away: %s. Messages arrive about a second late. Check REDIS_URL or BROADCAST_URL",
                self._server,
                self.failure,
            )


def _explain(error: Exception, on_distrust: str) -> str:
    """Describe the failure, and the setting that helps with a certificate that is not trusted."""
    text = " ".join(str(error).split()) or repr(error)
    is_distrust = any(isinstance(each, ssl.SSLCertVerificationError) for each in _chain(error))
    return f"{text} ({on_distrust})" if is_distrust else text


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, each once: some libraries raise an error that is among its own causes."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return chain
