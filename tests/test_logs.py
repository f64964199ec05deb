"""The log's lines, and a log without a reader."""

import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator

import pytest

from chat.audit import RequestContext, request_context
from chat.logs import JsonFormatter, TextFormatter
from tests.support.server import ROOT

FORGED = "x\n2026-01-01T00:00:00.000Z INFO chat.audit: signed_in user_id=1\r\x1b[31m\u2028\u202e"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def record(message: str, *arguments: object, error: Exception | None = None, **extra: object) -> logging.LogRecord:
    """A record as a logger makes it."""
    trace = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("chat.test", logging.INFO, __file__, 1, message, arguments, trace)
    made.__dict__.update(extra)
    return made


def raised(error: Exception) -> Exception:
    """An error with a traceback."""
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.fixture
def in_a_request() -> Iterator[None]:
    token = request_context.set(RequestContext("request-1", "203.0.113.9"))
    yield
    request_context.reset(token)


def test_a_text_line_has_time_level_logger_fields_and_request(in_a_request: None) -> None:
    line = TextFormatter().format(record("GET /", fields={"status": 200, "agent": 'a "b"'}))
    assert line.split(" ", 1)[1] == r'INFO chat.test: GET / status=200 agent="a \"b\"" request_id=request-1'
    assert line.split(" ")[0].endswith("Z")


def test_a_json_line_is_an_object_with_time_level_fields_and_request(in_a_request: None) -> None:
    line = JsonFormatter().format(record("signed_in", event="signed_in", fields={"user_id": 7, "level": "forged"}))
    assert {name: value for name, value in json.loads(line).items() if name != "time"} == {
        "level": "INFO",
        "logger": "chat.test",
        "message": "signed_in",
        "event": "signed_in",
        "user_id": 7,
        "request_id": "request-1",
    }


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_client_cannot_begin_a_line_or_control_a_terminal(formatter: logging.Formatter) -> None:
    line = formatter.format(record("GET %s", FORGED, fields={"path": FORGED, "name": FORGED}))
    assert line.isprintable()
    traced = formatter.format(record("failed", error=raised(ValueError(FORGED))))
    assert not any(part.startswith("2026-01-01") for part in traced.split("\n"))
    assert "\x1b" not in traced


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize("secret", [HASH, JWT, "(1, ann@example.org, the hash of it)"])
def test_an_errors_text_in_the_log_shows_no_secrets(formatter: logging.Formatter, secret: str) -> None:
    error = raised(ValueError(f"DETAIL: Failing row contains {secret}"))
    line = formatter.format(record("failed %s", error, error=error))
    assert secret not in line
    assert HASH not in formatter.format(record("x", error=raised(ValueError(f"[parameters: ('{HASH}')]"))))


def test_a_very_long_message_or_traceback_is_cut() -> None:
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(
            record("x" * 1_000_000, error=raised(ValueError("y" * 1_000_000)), fields={"z": "z" * 1_000_000})
        )
        assert len(line) < 100_000


LOGGING = """
import logging, os, sys, time
from chat import logs
logs.set_up("text", {descriptor})
started = time.monotonic()
for number in range({lines}):
    logging.getLogger("chat").info("line %s %s", number, "x" * 100)
print(time.monotonic() - started, flush=True)
{then}
"""


def run_logging(
    descriptor: int,
    lines: int,
    then: str = "",
    *,
    stderr: int,
    stdin: int | None = None,
    pass_fds: Collection[int] = (),
) -> "subprocess.Popen[str]":
    """A process that logs, and prints how many seconds it took."""
    script = LOGGING.format(descriptor=descriptor, lines=lines, then=then)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        stderr=stderr,
        stdin=stdin,
        pass_fds=pass_fds,
    )


def test_a_log_without_a_reader_blocks_nothing_and_counts_lost_lines() -> None:
    then = "import psutil; print(psutil.Process().memory_info().rss // 2**20, flush=True); input()"
    then += "\nlogs.flush(); logging.getLogger('chat').info('after')"
    process = run_logging(2, 50_000, then, stderr=subprocess.PIPE, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert float(process.stdout.readline()) < 20, "50,000 lines took no more than their formatting"
    assert int(process.stdout.readline()) < 100, "megabytes"
    _, log = process.communicate("\n", timeout=60)
    lines = log.splitlines()
    kept = [line for line in lines if "chat: line" in line]
    assert 100 < len(kept) < 20_000
    lost = [int(line.split("chat.logs: ")[1].split()[0]) for line in lines if "lines were lost" in line]
    assert sum(lost) == 50_000 - len(kept)
    assert "chat: after" in lines[-1]


def test_a_process_ends_even_if_its_log_has_no_reader() -> None:
    process = run_logging(2, 5_000, stderr=subprocess.PIPE)
    assert process.wait(30) == 0
    process.communicate()


def test_a_closed_log_does_not_end_the_process() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = run_logging(writer, 1_000, "time.sleep(0.1); print('alive')", pass_fds=[writer], stderr=subprocess.PIPE)
    os.close(writer)
    out, error = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "alive"
    assert error == ""
    assert process.returncode == 0


def test_a_crash_writes_the_last_lines_and_its_traceback() -> None:
    then = (
        "import threading\nthread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\n"
        "raise RuntimeError('the end')"
    )
    process = run_logging(2, 3, then, stderr=subprocess.PIPE)
    _, log = process.communicate(timeout=60)
    assert log.count("chat: line") == 3
    assert "ERROR chat: A thread ends with an error" in log
    assert "    ZeroDivisionError: division by zero" in log
    assert "CRITICAL chat: The process ends with an error" in log
    assert "    RuntimeError: the end" in log
    assert process.returncode == 1


def test_setting_the_log_up_twice_writes_each_line_once() -> None:
    process = run_logging(
        2, 0, "logs.set_up('json', 2)\nlogging.getLogger('chat').info('once')", stderr=subprocess.PIPE
    )
    _, log = process.communicate(timeout=60)
    assert [json.loads(line)["message"] for line in log.splitlines()] == ["once"]


def test_a_log_record_that_cannot_be_formatted_is_named_and_raises_nothing() -> None:
    process = run_logging(2, 0, "logging.getLogger('chat.bad').info('%d', 'no number')", stderr=subprocess.PIPE)
    _, log = process.communicate(timeout=60)
    assert "A record of chat.bad could not be written" in log
    assert "no number" not in log


def test_logging_takes_less_than_a_millisecond_a_request() -> None:
    """It was 25 µs on a machine of 2026; the bound catches only gross errors."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
    fields = {"status": 200, "milliseconds": 3.2, "bytes": 1234, "address": "203.0.113.9", "user_id": 7}
    fastest = min(_seconds(handler, fields) for _ in range(20))
    assert fastest / 100 < 0.001


def _seconds(handler: logging.Handler, fields: dict[str, object]) -> float:
    started = time.perf_counter()
    for _ in range(100):
        handler.handle(record("%s %s", "GET", "/rooms/7", fields=fields))
    return time.perf_counter() - started
