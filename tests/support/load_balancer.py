"""A real load balancer before several servers, with the configuration we recommend."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.support.ports import free_port
from tests.support.server import ROOT, TLS, ChatServer

EXAMPLES = ROOT / "docs" / "deploy"
PLACES = ":".join((str(Path(sys.executable).parent), "/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"))
SILENCE = 60
SILENT = re.compile(r"(proxy_read_timeout |timeout (?:client|server|tunnel) )60s")
# Debian's nginx serves a whole machine; here it keeps to a folder of its own.
NGINX = """
daemon off; pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {example}
}}
"""


def find_load_balancer(kind: str) -> str | None:
    """The program, None when it is not installed."""
    return shutil.which(kind, path=PLACES)


class LoadBalancer:
    """nginx, haproxy or caddy, as configured in `docs/deploy/`, on a port of its own.

    It cuts connections after `silence` seconds; caddy cuts none for being silent.
    """

    def __init__(self, kind: str, servers: list[ChatServer], silence: int = SILENCE) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        program = find_load_balancer(kind)
        assert program is not None, f"{kind} is not installed"
        self._folder = Path(tempfile.mkdtemp(prefix=f"simplechat-{kind}-"))
        ports = dict(zip(("8001", "8002", "8003"), (str(server.port) for server in servers), strict=True))
        if kind == "nginx":
            example = (EXAMPLES / "nginx.conf").read_text()
            example = example.replace("listen 80;", f"listen 127.0.0.1:{self.port};").replace("listen [::]:80;", "")
            configuration = NGINX.format(folder=self._folder, example=_with_ports(example, ports))
            arguments = ["-p", str(self._folder), "-c", str(self._folder / "configuration")]
        elif kind == "caddy":
            configuration = (EXAMPLES / "Caddyfile").read_text()
            arguments = ["run", "--adapter", "caddyfile", "--config", str(self._folder / "configuration")]
        else:
            example = (EXAMPLES / "haproxy.cfg").read_text()
            example = example.replace("bind :80", f"bind 127.0.0.1:{self.port}")
            configuration = _with_ports(example, ports)
            arguments = ["-db", "-f", str(self._folder / "configuration")]
        configuration, cuts = SILENT.subn(rf"\g<1>{silence}s", configuration)
        assert cuts in (1, 3) or kind == "caddy", "the timeouts of silent connections are found"
        (self._folder / "configuration").write_text(configuration)
        self._process = subprocess.Popen([program, *arguments], env=self._environment(list(ports.values())))
        deadline = time.monotonic() + 10
        while True:
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2, verify=TLS).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, f"{kind} did not start"
            time.sleep(0.05)

    def _environment(self, ports: list[str]) -> dict[str, str]:
        """Return the variables of the Caddyfile, and those that keep Caddy to its folder."""
        return {
            **os.environ,
            "CHAT_HOST": self.url,
            "CHAT_SERVERS": " ".join(f"127.0.0.1:{port}" for port in ports),
            "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
            "XDG_CONFIG_HOME": str(self._folder),
            "XDG_DATA_HOME": str(self._folder),
        }

    def stop(self) -> None:
        """End it and remove its files."""
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)


def _with_ports(configuration: str, ports: dict[str, str]) -> str:
    return re.sub(r"127\.0\.0\.1:(800\d)", lambda found: f"127.0.0.1:{ports[found[1]]}", configuration)
