"""nginx, the reference for everything that is only sent or stored."""

import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from benchmarks.measure import SERVER_CORE, pin, temporary_folder
from benchmarks.programs import found
from tests.support.ports import free_port

CONFIGURATION = """
daemon off; pid {folder}/pid; error_log /dev/null; worker_processes 1; events {{}}
http {{
    access_log off; sendfile on; client_max_body_size 0; client_body_temp_path {folder}/incoming;
    server {{ listen 127.0.0.1:{port}; root {folder}; default_type text/html; {directives} }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx, and the meter of its processes."""

    port: int
    meter: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def nginx(files: Mapping[str, bytes], stack: ExitStack, directives: str = "") -> Nginx:
    """Serve files on the servers' core, until the stack is closed; raises `NotHere` without nginx."""
    folder, port = temporary_folder("nginx"), free_port()
    folder.chmod(0o777)  # its worker is nobody when we are root
    for name, content in files.items():
        (folder / name).write_bytes(content)
    configuration = CONFIGURATION.format(folder=folder, port=port, directives=directives)
    (folder / "nginx.conf").write_text(configuration)
    command = [found("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    meter = psutil.Process(process.pid)
    pin(meter, SERVER_CORE)
    return Nginx(port, meter)
