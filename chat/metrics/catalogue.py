"""Every metric: its name, kind, labels and meaning. docs/monitoring.md explains them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chat.tally import LAG_BOUNDS, REQUEST_BOUNDS

PREFIX = "simplechat_"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `over` says how the gauges of several processes become one; `bounds` are a histogram's."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    over: Literal["sum", "least"] = "sum"
    bounds: Sequence[float] = ()


METRICS = {
    metric.name: metric
    for metric in (
        Metric("requests", "counter", "Requests answered.", ("method", "route", "status")),
        Metric(
            "request_duration_seconds",
            "histogram",
            "Seconds from a request to the end of its answer.",
            ("method", "route"),
            bounds=REQUEST_BOUNDS,
        ),
        Metric("posts", "counter", "Messages posted."),
        Metric("deliveries", "counter", "Changes of messages handed to readers' sockets, one for each reader."),
        Metric(
            "delivery_lag_seconds",
            "histogram",
            "Seconds from a change's commit until it was handed to a reader's socket.",
            bounds=LAG_BOUNDS,
        ),
        Metric("replays", "counter", "Readers that connected behind their room and were sent the missed changes."),
        Metric(
            "repairs",
            "counter",
            "Rooms whose changes were fetched from the database: a hint was missing (gap), or all were (comparison).",
            ("cause",),
        ),
        Metric("resyncs", "counter", "Comparisons of all rooms because hints may have been lost."),
        Metric("broker_up", "gauge", "1 while every process can send and receive hints.", over="least"),
        Metric("broker_reconnects", "counter", "Connections to the broker opened after one was lost.", ("purpose",)),
        Metric("broker_dropped", "counter", "Hints lost between a process and the broker."),
        Metric("open_sockets", "gauge", "Websockets of open pages."),
        Metric("queue_bytes", "gauge", "Bytes waiting for slow readers, for the broker and from it.", ("queue",)),
        Metric("database_up", "gauge", "1 while the database answers."),
        Metric("database_connections", "gauge", "Open connections to the database.", ("state",)),
        Metric("database_connections_allowed", "gauge", "Connections that the processes may open (DATABASE_POOL)."),
        Metric("database_waiting", "gauge", "Requests and tasks waiting for a connection to the database."),
        Metric("database_timeouts", "counter", "Waits for a connection to the database that were given up."),
        Metric("search_unindexed_messages", "gauge", "Changes of messages that search does not know yet."),
        Metric("search_lag_seconds", "gauge", "Age of the oldest message that search does not know yet."),
        Metric("uploads", "counter", "Files uploaded whole."),
        Metric("upload_bytes", "counter", "Bytes of files uploaded whole."),
        Metric("link_fetches", "counter", "Pages fetched for previews of links.", ("outcome",)),
        Metric("task_restarts", "counter", "Background tasks started again after an error.", ("task",)),
        Metric("tasks_down", "gauge", "Background tasks that are down."),
        Metric("processes", "gauge", "Processes that serve."),
        Metric("cpu_seconds", "counter", "Processor time of the processes that serve."),
        Metric("memory_bytes", "gauge", "Resident memory of the processes that serve."),
        Metric("info", "gauge", "1, with the version of the chat.", ("version",), over="least"),
    )
}
