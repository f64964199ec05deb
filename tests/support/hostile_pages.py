"""A web server that nobody should trust."""

import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

from tests.support.pictures import claiming, encoded, landscape

MEGABYTE = 2**20
ARTICLE = """<!doctype html><html><head><meta charset="utf-8"><title>Plain title</title>
<meta property="og:site_name" content="Willow News"><meta property="og:title" content="Lanterns at dusk">
<meta property="og:description" content="A walk along the river.
Bring a light."><meta property="og:image" content="/picture.jpg"></head>
<body><meta property="og:title" content="from the body"></body></html>"""
SCRIPT = "<script>alert(1)</script>"


@dataclass
class Asked:
    """A request that the server has got."""

    path: str
    headers: dict[str, str]
    port: int


@dataclass
class HostilePages:
    """The server's address, what it was asked for, and the pages that a test adds."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    gate: Event = field(default_factory=Event)

    def page(self, path: str, content: str | bytes, kind: str = "text/html; charset=utf-8") -> str:
        """Serve content at a path, and return its address."""
        self.pages[path] = kind, content.encode() if isinstance(content, str) else content
        return self.url + path

    def paths(self) -> list[str]:
        """Return the paths that it was asked for, in order."""
        return [each.path for each in self.asked]


class _Handler(BaseHTTPRequestHandler):
    """Answers each path in its own bad way."""

    server: "_Server"

    def do_GET(self) -> None:
        self.server.pages.asked.append(Asked(self.path, dict(self.headers), self.server.server_address[1]))
        name = urlsplit(self.path).path
        if name in self.server.pages.pages:
            self._answer(*self.server.pages.pages[name])
            return
        act: Callable[[], None] | None = getattr(self, f"_{name[1:].partition('.')[0].replace('-', '_')}", None)
        with suppress(BrokenPipeError, ConnectionResetError):
            if act is None:
                self.send_error(404)
            else:
                act()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, kind: str, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def _article(self) -> None:
        self._answer("text/html", ARTICLE.encode(), Set_Cookie="seen=yes")

    def _picture(self) -> None:
        self._answer("image/jpeg", encoded(landscape(), "JPEG"))

    def _bomb(self) -> None:
        """Send 64 MB in some kilobytes."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(bomb())

    def _picture_bomb(self) -> None:
        self._answer("image/png", claiming(65_535, 65_535))

    def _svg(self) -> None:
        self._answer("image/svg+xml", f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>'.encode())

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", parse_qs(urlsplit(self.path).query).get("kind", ["text/html"])[0])
        self.end_headers()
        self.wfile.write(b"<title>Endless</title>")
        while True:
            self.wfile.write(b"<p>" * 10_000)

    def _slow(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"<")
            self.wfile.flush()
            time.sleep(0.1)

    def _slow_header(self) -> None:
        for _ in range(100):
            self.wfile.write(b"H")
            time.sleep(0.1)

    def _gated(self) -> None:
        """Answer when a test opens the gate."""
        self.server.pages.gate.wait(10)
        self._answer("text/html", b"<title>Late</title>")

    def _no_http(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    def _long_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * MEGABYTE)

    def _crumbs(self) -> None:
        """Send a page in chunks of one byte, as many as the query says."""
        number = int(urlsplit(self.path).query)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.wfile.write(head + b"1\r\nA\r\n" * number + b"0\r\n\r\n")

    def _soon(self) -> None:
        """Promise an answer again and again."""
        while True:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def _nothing(self) -> None:
        """Send compressed nothing without an end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
        while True:
            self.wfile.write(b"\0\0\0\xff\xff" * 10_000)

    def _afterwards(self) -> None:
        """Send bytes without an end behind a compressed page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(gzip.compress(b"<title>Short</title>"))
        while True:
            self.wfile.write(bytes(MEGABYTE))

    def _brotli(self) -> None:
        self._answer("text/html", b"\0" * 100, Content_Encoding="br")

    def _damaged(self) -> None:
        self._answer("text/html", b"no gzip", Content_Encoding="gzip")

    def _to(self) -> None:
        """Redirect to the address in the query."""
        self._answer("text/html", b"", 302, Location=urlsplit(self.path).query, Set_Cookie="followed=yes")

    def _loop(self) -> None:
        self._answer("text/html", b"", 301, Location="/loop")

    def _nowhere(self) -> None:
        self._answer("text/html", b"", 302)


@cache
def bomb() -> bytes:
    """Return a page of 64 MB, compressed."""
    packed = zlib.compressobj(1, wbits=31)
    parts = [packed.compress(b"<title>A bomb</title>"), *(packed.compress(bytes(MEGABYTE)) for _ in range(64))]
    return b"".join(parts) + packed.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pages: HostilePages

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def hostile_pages(host: str = "127.0.0.1") -> Iterator[HostilePages]:
    """Serve until the block ends."""
    server = _Server((host, 0), _Handler)
    server.pages = HostilePages(f"http://{host}:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.pages
    finally:
        server.shutdown()
        server.server_close()
