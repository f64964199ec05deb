"""HTTP servers that take a chat's reports: spans by OTLP, and errors as Sentry's envelopes."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Collector(Generic[Found]):
    """A server that reads each request to it, on a port of its own."""

    def __init__(self, read: Callable[[str, bytes], list[Found]]) -> None:
        found: list[Found] = []
        self.found = found
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append(body)
                found.extend(read(self.path, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def until(self, is_enough: Callable[[list[Found]], bool], patience: float = 30) -> list[Found]:
        """Wait until enough has come, and return it."""
        deadline = time.monotonic() + patience
        while not is_enough(self.found):
            assert time.monotonic() < deadline, self.found
            time.sleep(0.05)
        return list(self.found)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
