"""Real S3 servers over http, with a bucket: moto's, and as a second opinion s3rver of npm, where it is installed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.support.ports import free_port

BUCKET = "chat"
# Moto takes any, s3rver these; they must not be those of the person who runs the tests.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER", "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def s3_server() -> Iterator[str]:
    """Start moto's server with a bucket, and return its address."""
    port = free_port()
    with _serving(port, sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)) as url:
        assert httpx.put(f"{url}/{BUCKET}").status_code == 200
        yield url


@contextmanager
def s3rver(program: str, folder: Path) -> Iterator[str]:
    """Start s3rver with a bucket in a folder, and return its address."""
    port = free_port()
    with _serving(
        port, program, "-d", str(folder), "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", BUCKET
    ) as url:
        yield url


@contextmanager
def _serving(port: int, *command: str) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        command, env={**os.environ, **CREDENTIALS}, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        _until_it_serves(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _until_it_serves(url: str, patience: float = 90) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.05)
    raise AssertionError("the S3 server does not serve")
