"""Traces: a message's spans, from its form to the sockets of another process, reach a collector by OTLP."""

import asyncio
import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chat.settings import Settings
from chat.tracing.tracing import MOST_IN_A_HINT, trace_in, traces_in
from tests.support.collector import Collector
from tests.support.databases import fresh_database
from tests.support.live_client import LiveClient
from tests.support.page_posts import page_of, post_over
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ROOT, SECRET_KEY, ChatServer, ForkedServer

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Span:
    """A span that has come to the collector, and its process."""

    name: str
    trace_id: str
    id: str
    parent: str
    start: int
    end: int
    process: int
    attributes: dict[str, str | int]


def spans_in(path: str, body: bytes) -> list[Span]:
    """The spans of a request to the collector."""
    assert path == "/v1/traces"
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    found = []
    for resource in request.resource_spans:
        of = {each.key: each.value for each in resource.resource.attributes}
        assert of["service.name"].string_value == "willow street"
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            values = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
            ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
            times = (span.start_time_unix_nano, span.end_time_unix_nano)
            found.append(Span(span.name, *ids, *times, of["process.pid"].int_value, values))
    return found


@dataclass
class Stage:
    """Alice and Bob on a process each, which export their spans. Bob's trusts no proxy on this machine."""

    alice: Person
    bob: Person
    collector: Collector[Span]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        collector = Collector(spans_in)
        stack.callback(collector.close)
        redis = RedisServer()
        redis.start()
        stack.callback(redis.stop)
        url = stack.enter_context(fresh_database())
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_SERVICE_NAME": "willow street",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        servers = [
            ForkedServer(url, redis.url, **environment),
            ForkedServer(url, redis.url, FORWARDED_ALLOW_IPS="192.0.2.1", **environment),
        ]
        for server in servers:
            stack.callback(server.remove)
            server.start()
        yield Stage(first_run(servers[0]), sign_up(servers[1], "Bob Brown"), collector)


def pid_of(server: ChatServer) -> int:
    assert server.process is not None
    return server.process.pid


@pytest.mark.anyio
async def test_a_message_is_one_trace_from_its_form_to_the_sockets_of_another_process(stage: Stage) -> None:
    alice, bob = stage.alice, stage.bob
    here, there = pid_of(alice.server), pid_of(bob.server)
    async with LiveClient(alice, 1), LiveClient(bob, 1) as page, LiveClient(bob, 1) as second:
        await asyncio.to_thread(alice.post, 1, "a message that no span holds")
        await page.until_shows("a message that no span holds")
        await second.until_shows("a message that no span holds")

    def of_the_message(spans: list[Span]) -> list[Span]:
        ids = {span.trace_id for span in spans if span.name == "deliver"}
        return [span for span in spans if span.trace_id in ids]

    found = of_the_message(
        await asyncio.to_thread(stage.collector.until, lambda spans: len(of_the_message(spans)) >= 5)
    )
    assert len({span.trace_id for span in found}) == 1
    by_name = {(span.name, span.process): span for span in found}
    form = by_name["POST /rooms/{room_id}/messages", here]
    commit, publish = by_name["commit", here], by_name["publish", here]
    assert [form.parent, commit.parent, publish.parent] == ["", form.id, commit.id]
    assert form.attributes["http.response.status_code"] == 200
    assert form.attributes["http.route"] == "/rooms/{room_id}/messages"
    for process, readers in ((here, 1), (there, 2)):
        deliver = by_name["deliver", process]
        assert deliver.parent == publish.id
        assert deliver.attributes == {"chat.readers": readers}
        assert form.start <= commit.start <= commit.end <= deliver.end
    assert len(found) == 5
    for body in stage.collector.bodies:
        text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        assert not any(each in text for each in (b"no span holds", b"Bob Brown", b"example.org", b"127.0.0.1"))


def test_only_a_trusted_proxy_names_the_span_around_a_request(stage: Stage) -> None:
    for person in (stage.alice, stage.bob):
        person.get("/help", traceparent=TRACE)
    found = stage.collector.until(lambda spans: sum(span.name == "GET /help" for span in spans) == 2)
    parents = {span.process: span.parent for span in found if span.name == "GET /help"}
    assert parents == {pid_of(stage.alice.server): TRACE.split("-")[2], pid_of(stage.bob.server): ""}


def test_health_checks_and_files_are_no_spans(stage: Stage) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/static/js/live.js", "/mentions"):
        stage.alice.get(path)
    found = stage.collector.until(lambda spans: any(span.name == "GET /mentions" for span in spans))
    names = {span.name for span in found}
    assert not names & {"GET /healthz", "GET /readyz", "GET /metrics", "GET /static/{path}", "GET none"}


@pytest.mark.parametrize("bad", [None, 7, "", "00-1-2-3", TRACE.upper(), TRACE + "\n", f"01{TRACE[2:]}x", ["x"],
                                 f"00-{'0' * 32}-b7ad6b7169203331-01"])  # fmt: skip
def test_a_malformed_trace_is_ignored(bad: object) -> None:
    assert trace_in(bad) == ""
    assert traces_in(bad) == ()
    assert traces_in([bad, TRACE]) == (TRACE,)
    assert traces_in([TRACE] * 100) == (TRACE,) * MOST_IN_A_HINT


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_switch_traces_on(variables: dict[str, str], expected: bool) -> None:
    known = {"DATABASE_URL": "postgresql://nobody@localhost/no", "SECRET_KEY": SECRET_KEY}
    assert Settings.from_environment({**known, **variables}).exports_traces is expected


def test_without_a_collector_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import sys; from chat.__main__ import application; application();"
        "sys.exit(any(name.startswith(('opentelemetry', 'sentry_sdk')) for name in sys.modules))"
    )
    environment = {"DATABASE_URL": "postgresql://nobody@localhost/no", "SECRET_KEY": SECRET_KEY}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode == 0


def test_a_collector_without_the_library_is_one_clear_line(database_url: str) -> None:
    server = ChatServer(database_url, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    server.command = [
        "-c",
        "import sys; sys.modules['opentelemetry'] = None; from chat.__main__ import main; main(['serve'])",
    ]
    try:
        server.start()
        server.until_logged("OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, whose library is not installed. Run: pip")
    finally:
        server.remove()


@pytest.mark.anyio
async def test_a_text_of_a_page_is_one_trace_to_the_sockets_of_another_process(stage: Stage) -> None:
    alice, bob = stage.alice, stage.bob
    async with LiveClient(bob, 1) as page, page_of(alice) as socket:
        assert (await post_over(socket, "over the socket")).startswith("posted")
        assert (await post_over(socket, "/shrug", number=2)) == "unposted 2"
        await page.until_shows("over the socket")

    def of_the_text(spans: list[Span]) -> list[Span]:
        ids = {span.trace_id for span in spans if span.name == "post of a page"}
        return [span for span in spans if span.trace_id in ids]

    found = of_the_text(await asyncio.to_thread(stage.collector.until, lambda spans: len(of_the_text(spans)) >= 4))
    names = {span.name: span for span in found}
    assert set(names) == {"post of a page", "commit", "publish", "deliver"}
    assert names["post of a page"].attributes == {"chat.posted": 1}
    assert names["commit"].parent == names["post of a page"].id
    assert names["deliver"].process == pid_of(bob.server)
