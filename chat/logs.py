"""The log: set up in every process, one line for each record, written by its own thread.

People and programs trust the lines of a log. So text from a client cannot begin a new line, and anything that looks
like a secret is left out. A pipe that is closed, or not read, neither stops the process nor fills its memory: lines are
lost then, and their number is logged.
"""

import atexit
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Literal

from chat.audit import request_context

LogFormat = Literal["text", "json"]

MOST_WAITING_BYTES = 1024 * 1024
MOST_LINE_CHARACTERS = 8_000
MOST_TRACEBACK_CHARACTERS = 32_000
# Records within this time are written with one call.
GATHER_SECONDS = 0.02
FLUSH_SECONDS = 1.0

# Characters that a terminal or log reader could take for a line's end or a command, or that change text direction.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[^\s\"'=]+")
# Password hashes, tokens (JWT), and rows quoted by PostgreSQL. None should be logged, but an error may hold them.
# Each pattern takes linear time: it reads to the end of the line rather than to its last bracket.
_SECRETS = re.compile(r"\$argon2\S+|\beyJ[\w-]{1,500}\.[\w-]+\.[\w-]*|(?<=row contains )\(.*|\[parameters: .*")

# Each secret has one of these characters; to look for them takes a tenth of the time.
_SIGNS_OF_SECRETS = re.compile(r"[$([]|eyJ")


def set_up(log_format: LogFormat, descriptor: int = 2) -> None:
    """Write every record of this process, at INFO and above, to standard error."""
    handler = _Writer(descriptor)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    for earlier in root.handlers[:]:
        root.removeHandler(earlier)
        earlier.close()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # These loggers report every step, and SQLAlchemy names a pool's logger by the module of its class.
    for name in ("alembic", "chat.database.pool"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns about each malformed form, which is answered with a 400 and logged as a request anyway.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    # No line shows these, and each record would ask for them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # A failure to log must not print the record.
    logging.raiseExceptions = False
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def flush() -> None:
    """Wait until all lines are written, a second at most."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def safe(text: str) -> str:
    """Return text with control characters escaped, and without anything that looks like a secret."""
    if text.isascii() and text.isprintable() and not _SIGNS_OF_SECRETS.search(text):
        return text
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", _SECRETS.sub("[…]", text))


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return a record's fields, with the request it belongs to."""
    fields: Mapping[str, object] = getattr(record, "fields", {})
    context = request_context.get()
    return {**fields, "request_id": context.request_id} if context and context.request_id else dict(fields)


class TextFormatter(logging.Formatter):
    """A line such as `2026-02-01T10:00:00.123Z INFO chat.requests: GET /rooms/7 status=200 request_id=…`.

    The lines of a traceback follow, indented, so that none can be taken for a record.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = safe(record.getMessage()[:MOST_LINE_CHARACTERS])
        fields = "".join(f" {name}={_value(value)}" for name, value in fields_of(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {message}{fields}"
        return "\n    ".join([line, *(safe(text) for text in _traceback(self, record))])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the record's fields, and the traceback as `error`."""

    def format(self, record: logging.LogRecord) -> str:
        known = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": safe(record.getMessage()[:MOST_LINE_CHARACTERS]),
        }
        fields = {
            name: safe(value[:MOST_LINE_CHARACTERS]) if isinstance(value, str) else value
            for name, value in fields_of(record).items()
        }
        if event := getattr(record, "event", None):
            known["event"] = event
        if error := _traceback(self, record):
            known["error"] = "\n".join(safe(text) for text in error)
        return json.dumps({**known, **{name: fields[name] for name in fields if name not in known}}, default=str)


class _Writer(logging.Handler):
    """Passes lines to a thread that writes them; never waits for the reader of the log."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._lost = 0
        self._is_writing = False
        self._is_closed = False
        self._change = threading.Condition()
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        except Exception:
            line = self._own_line("A record of %s could not be written", record.name)
        with self._change:
            if self._waiting_bytes + len(line) > MOST_WAITING_BYTES:
                self._lost += 1
                return
            self._waiting_bytes += len(line)
            self._waiting.append(line)
            if len(self._waiting) == 1:
                self._change.notify_all()

    def _own_line(self, message: str, *arguments: object) -> bytes:
        record = logging.LogRecord(__name__, logging.WARNING, "", 0, message, arguments, None)
        return f"{self.format(record)}\n".encode()

    def flush(self) -> None:
        with self._change:
            self._change.wait_for(lambda: not (self._waiting or self._lost or self._is_writing), FLUSH_SECONDS)

    def close(self) -> None:
        self.flush()
        atexit.unregister(self.flush)
        with self._change:
            self._is_closed = True
            self._change.notify_all()
        super().close()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._lost or self._is_closed)
                if not (self._waiting or self._lost):
                    return
            # Waits without the lock, so that more lines can arrive.
            threading.Event().wait(GATHER_SECONDS)
            with self._change:
                lines, self._waiting, lost, self._lost = self._waiting, [], self._lost, 0
                self._is_writing = True
            if lost:
                lines.append(self._own_line("%d lines were lost, as standard error was not read in time", lost))
            _write(self._descriptor, b"".join(lines))
            with self._change:
                # Lines being written count until here, so that the limit covers waiting and written ones.
                self._waiting_bytes = sum(map(len, self._waiting))
                self._is_writing = False
                self._change.notify_all()


def _write(descriptor: int, text: bytes) -> None:
    """Write to the descriptor itself, because a stream's lock, held at the end of a process, would abort it."""
    while text:
        try:
            text = text[os.write(descriptor, text) :]
        except BlockingIOError:
            threading.Event().wait(GATHER_SECONDS)
        except OSError:
            return  # closed, or its disk is full, so the error cannot be logged


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03}Z"


@lru_cache(1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def _value(value: object) -> str:
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)[:MOST_LINE_CHARACTERS]
    return safe(text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False))


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[0] is None:
        return []
    text = formatter.formatException(record.exc_info)
    if len(text) > MOST_TRACEBACK_CHARACTERS:
        half = MOST_TRACEBACK_CHARACTERS // 2
        text = f"{text[:half]}\n[…]\n{text[-half:]}"
    return text.split("\n")


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("chat").critical("The process ends with an error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(thrown: threading.ExceptHookArgs) -> None:
    if thrown.exc_value is not None:
        caught = (thrown.exc_type, thrown.exc_value, thrown.exc_traceback)
        logging.getLogger("chat").error("A thread ends with an error", exc_info=caught)
