"""The metrics of the chat: read from the parts of this process, and summed over all processes of this machine."""

import logging
import os
import resource
import secrets
import socket
import time
from bisect import bisect_left
from pathlib import Path
from time import monotonic

from sqlalchemy.ext.asyncio import AsyncEngine

from chat import __version__
from chat.beat import beat, beat_or_rest
from chat.database.engine import reading, time_limit
from chat.database.pool import PatientPool
from chat.errors import DatabaseUnavailable
from chat.files.uploading import Uploading
from chat.live.brokers.broker import Broker
from chat.live.hub import Hub
from chat.live.wire import BACKLOG
from chat.messages.post import Posting
from chat.messages.previewing import Previewing
from chat.metrics.elsewhere import TELL_SECONDS, Elsewhere
from chat.metrics.figures import Figures, sum_of
from chat.metrics.minute import Minute
from chat.metrics.shared import Place
from chat.reminder import Reminder
from chat.search.lag import Lag, lag_of
from chat.supervision import Failures
from chat.tally import RequestTally

logger = logging.getLogger(__name__)

WRITE_SECONDS = 1.0
LATE_SECONDS = 1.0  # a bound of the histogram; a message that takes longer counts as late
ANSWER_SECONDS = 2.0
KEPT_SECONDS = 5.0  # the database is queried at most once in this time, however often the figures are asked for
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Metrics:
    """The figures of the chat. `run` must be running. With a `folder`, the processes in it count, too."""

    def __init__(
        self,
        folder: Path | None,
        *,
        database: AsyncEngine,
        broker: Broker,
        hub: Hub,
        posting: Posting,
        uploading: Uploading,
        previewing: Previewing,
        failures: Failures,
    ) -> None:
        self.requests = RequestTally()
        self._node = secrets.token_hex(8)
        self._elsewhere = Elsewhere(broker, self._node)
        self._folder = folder
        self._database, self._broker, self._hub = database, broker, hub
        self._posting, self._uploading, self._failures = posting, uploading, failures
        self._previewing = previewing
        self._place: Place | None = None
        self._minute = Minute()
        self._started_at = time.time()
        self._machine = socket.gethostname()
        self._lag: Lag | None = None
        self._queried_at = float("-inf")
        self._reminder = Reminder()

    async def run(self) -> None:
        """Count the last minute, and give the figures of this process to the others, until cancelled."""
        told_at = float("-inf")
        try:
            while True:
                self._minute.tick(self._counts)
                self._write()
                if monotonic() - told_at >= TELL_SECONDS and not self._elsewhere.is_alone:
                    told_at = monotonic()
                    await self._elsewhere.tell(self.here())
                await (beat if self._folder else beat_or_rest)(WRITE_SECONDS)
        finally:
            self._write()

    async def listen(self) -> None:
        """Receive the figures of the other processes, until cancelled."""
        await self._elsewhere.listen()

    def _write(self) -> None:
        if self._folder is None:
            return
        try:
            self._place = self._place or Place(self._folder)
            self._place.write(self.here())
        except OSError as error:
            # A full disk must not end the process.
            if self._reminder.is_due():
                logger.warning("The figures of this process could not be written: %s", error)

    async def total(self) -> Figures:
        """Return the figures of all processes on this machine, and the database's."""
        running, ended = self._processes()
        total = sum_of(running, ended)
        total.gauges["processes",] = len(running)
        lag = await self.search_lag()
        total.gauges["database_up",] = float(lag is not None)
        if lag is not None:
            total.gauges["search_unindexed_messages",] = lag.changes
            total.gauges["search_lag_seconds",] = lag.seconds
        return total

    def running(self) -> list[Figures]:
        """Return the figures of each process that runs on this machine, the oldest first."""
        return sorted(self._processes()[0], key=lambda figures: figures.started_at)

    def elsewhere(self) -> list[Figures]:
        """Return the gauges and the last minute of each process that runs on another machine, the oldest first."""
        here = {figures.node for figures in self.running()}
        others = [figures for figures in self._elsewhere.running() if figures.node not in here]
        return sorted(others, key=lambda figures: figures.started_at)

    def _processes(self) -> tuple[list[Figures], list[Figures]]:
        """Return the figures of the processes that run, and of those that have ended."""
        self._write()
        if self._place is None:
            return [self.here()], []
        found = list(self._place.processes())
        return [each for each, runs in found if runs], [each for each, runs in found if not runs]

    async def search_lag(self) -> Lag | None:
        """Return how far search is behind; None when the database does not answer."""
        # Set before the query, so that concurrent requests do not repeat it.
        if monotonic() - self._queried_at >= KEPT_SECONDS:
            self._queried_at = monotonic()
            try:
                async with time_limit(ANSWER_SECONDS), reading(self._database) as connection:
                    self._lag = await lag_of(connection)
            except DatabaseUnavailable:
                self._lag = None
        return self._lag

    def here(self) -> Figures:
        """Return the figures of this process."""
        figures = Figures(self._node, self._machine, os.getpid(), self._started_at)
        self._read_live(figures)
        self._read_broker(figures)
        self._read_database(figures)
        for key, number in self.requests.answers.items():
            figures.counters["requests", *key] = number
        for labels, seconds in self.requests.seconds.items():
            figures.histogram("request_duration_seconds", *labels, of=seconds)
        for task, restarts in self._failures.restarts.items():
            figures.counters["task_restarts", task] = restarts
        figures.gauges["tasks_down",] = len(list(self._failures))
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures.counters["cpu_seconds",] = used.ru_utime + used.ru_stime
        figures.gauges["memory_bytes",] = _resident_bytes()
        figures.gauges["info", __version__] = 1
        figures.recent = self._minute.since_then(self._counts())
        return figures

    def _counts(self) -> dict[str, float]:
        """Return the counts that the page about the state of the chat shows for the last minute."""
        answers, lag = self.requests.answers, self._hub.tally.lag
        return {
            "requests": answers.total(),
            "errors": sum(number for (_, _, status), number in answers.items() if status >= "500"),
            "posts": self._posting.posted,
            "deliveries": self._hub.tally.deliveries,
            "late": sum(lag.counts[bisect_left(lag.bounds, LATE_SECONDS) + 1 :]),
            "repairs": self._hub.tally.repairs.total(),
            "restarts": self._failures.restarts.total(),
        }

    def _read_live(self, figures: Figures) -> None:
        tally = self._hub.tally
        figures.counters["posts",] = self._posting.posted
        figures.counters["uploads",] = self._uploading.uploads
        figures.counters["upload_bytes",] = self._uploading.uploaded_bytes
        for outcome in ("shown", "failed"):
            figures.counters["link_fetches", outcome] = self._previewing.fetched[outcome]
        figures.counters["deliveries",] = tally.deliveries
        figures.histogram("delivery_lag_seconds", of=tally.lag)
        figures.counters["replays",] = tally.replays
        for cause in ("gap", "comparison"):
            figures.counters["repairs", cause] = tally.repairs[cause]
        figures.counters["resyncs",] = tally.resyncs
        figures.gauges["open_sockets",] = self._hub.reader_count
        figures.gauges["queue_bytes", "readers"] = BACKLOG.bytes

    def _read_broker(self, figures: Figures) -> None:
        backend = self._broker.backend
        figures.gauges["broker_up",] = float(backend.is_connected)
        figures.counters["broker_dropped",] = self._broker.dropped
        for purpose, number in backend.reconnects.items():
            figures.counters["broker_reconnects", purpose] = number
        figures.gauges["queue_bytes", "to_broker"] = backend.bytes_to_send
        figures.gauges["queue_bytes", "from_broker"] = backend.bytes_received + self._broker.bytes_waiting

    def _read_database(self, figures: Figures) -> None:
        pool = self._database.pool
        assert isinstance(pool, PatientPool)
        figures.gauges["database_connections", "in_use"] = pool.checkedout()
        figures.gauges["database_connections", "idle"] = pool.checkedin()
        figures.gauges["database_connections_allowed",] = pool.allowed
        figures.gauges["database_waiting",] = pool.waiting
        figures.counters["database_timeouts",] = pool.timeouts


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        # The most so far, where there is no /proc. macOS counts bytes, other systems kilobytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
