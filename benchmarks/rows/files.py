"""Sending and receiving a file, beside nginx with the same file: throughput, and CPU time a megabyte."""

import os
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

import psutil

from benchmarks.chat import Chat
from benchmarks.measure import Line, cpu, spread
from benchmarks.nginx import nginx
from benchmarks.programs import NotHere
from tests.support.uploading import TUS, begin, send_file

MEGABYTES = 64
BYTES = MEGABYTES * 2**20
STORING = "dav_methods PUT; create_full_put_path on;"


def run(repetitions: int) -> list[Line]:
    with ExitStack() as stack:
        chat, content = Chat(people=1), os.urandom(BYTES)
        stack.callback(chat.close)
        try:
            reference = nginx({"file.bin": content}, stack, STORING)
        except NotHere as missing:
            return [Line("files", f"not measured: {missing}", "", None)]
        server, (cookie,) = chat.servers[0], chat.cookies(1)
        path = send_file(chat.administrator, "file.bin", content)
        headers = f"Cookie: {cookie}\r\nOrigin: {server.url}\r\n"

        def receive_from_chat() -> None:
            _request(server.port, f"GET {path} HTTP/1.1\r\n{headers}")

        def receive_from_nginx() -> None:
            _request(reference.port, "GET /file.bin HTTP/1.1\r\n")

        def send_to_chat() -> None:
            place = begin(chat.administrator, 1, "sent.bin", BYTES).headers["location"]
            fields = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            _request(server.port, f"PATCH {place} HTTP/1.1\r\n{headers}{lines}", content)

        def send_to_nginx() -> None:
            _request(reference.port, "PUT /sent.bin HTTP/1.1\r\n", content)

        meter = chat.meter(server)
        lines = []
        for act, ours, theirs in (
            ("received", receive_from_chat, receive_from_nginx),
            ("sent", send_to_chat, send_to_nginx),
        ):
            measured = [(_measure(meter, ours), _measure(reference.meter, theirs)) for _ in range(repetitions)]
            rates, costs = [1 / ours[0] for ours, _ in measured], [1000 * ours[1] for ours, _ in measured]
            times, processors = ([ours[of] / theirs[of] for ours, theirs in measured] for of in (0, 1))
            lines += [
                Line(f"a file of {MEGABYTES} MB {act}, MB a second", spread(rates), "", None),
                Line(f"a file {act}, CPU a megabyte", spread(costs, " ms"), "", None),
                Line(f"a file {act}, time against nginx", f"× {spread(times)}", "", None),
                Line(f"a file {act}, CPU against nginx", f"× {spread(processors)}", "", None),
            ]
    return lines


def _measure(meter: psutil.Process, act: Callable[[], None]) -> tuple[float, float]:
    """Return seconds, and CPU seconds, a megabyte. The clock of CPU time is coarse, so several files are sent."""
    times, before = [], cpu(meter)
    for _ in range(4):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) / MEGABYTES)
    return statistics.median(times), max(cpu(meter) - before, 0.01) / (4 * MEGABYTES)


def _request(port: int, head: str, content: bytes = b"") -> None:
    """Send a request over a connection of its own, and read the answer to its end."""
    buffer = bytearray(2**20)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        length = f"Content-Length: {len(content)}\r\n" if content else ""
        connection.sendall(f"{head}Host: 127.0.0.1:{port}\r\n{length}Connection: close\r\n\r\n".encode())
        connection.sendall(content)
        received = connection.recv_into(buffer)
        if not buffer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(bytes(buffer[: min(received, 300)]))
        while count := connection.recv_into(buffer):
            received += count
    if not content and received < BYTES:
        raise RuntimeError(f"only {received} bytes of {BYTES}")
