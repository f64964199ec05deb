"""The chat's container image, and the chat running in it as in production: read-only, not root, no capabilities."""

import json
import os
import shutil
import subprocess
import uuid
from functools import cache

from tests.support.server import ROOT, ChatServer, ServerProcess

IMAGE = "simplechat:tested"
HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")
GIVEN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SETUP_CODE", "HOST", "PORT", "RATE_LIMITS", "PAGES_PER_PERSON")


@cache
def why_not() -> str:
    """Return why no container can run here, "" if one can."""
    try:
        done = subprocess.run([engine(), "info"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no container engine answers: {error}"
    return "" if done.returncode == 0 else f"no container engine answers: {done.stderr.strip()[:200]}"


def engine() -> str:
    """Return the command of the container engine: docker, or podman, which takes the same words."""
    return os.environ.get("CONTAINER_ENGINE") or ("docker" if shutil.which("docker") else "podman")


def has_image(name: str) -> bool:
    """Tell whether an image is here, or can be fetched."""
    return _succeeds("image", "inspect", name) or _succeeds("pull", name)


def base() -> str:
    """Return the image that the build begins with; a machine without a registry of images names another."""
    default = (ROOT / "Dockerfile").read_text().partition("ARG BASE=")[2].split()[0]
    return os.environ.get("CONTAINER_BASE") or default


def build() -> None:
    """Build the image; layers that have not changed are not built again."""
    command = [engine(), "build", "--network=host", f"--build-arg=BASE={base()}", f"--tag={IMAGE}", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def inspected(name: str) -> dict[str, object]:
    """Return the engine's description of an image or a container."""
    done = subprocess.run([engine(), "inspect", name], capture_output=True, text=True, check=True)
    (found,) = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def run_once(*words: str, entrypoint: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the chat in a container of its own, or another program of the image."""
    given = [f"--env={name}={value}" for name, value in settings.items()]
    program = [f"--entrypoint={entrypoint}"] if entrypoint else []
    command = [engine(), "run", "--rm", *HARDENED, *given, *program, IMAGE, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


class ContainerServer(ChatServer):
    """The chat in a container."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        super().__init__(database_url, redis_url)
        self.name = f"simplechat-{uuid.uuid4().hex[:12]}"

    def _start(self) -> ServerProcess:
        given = [f"--env={name}={self._environment[name]}" for name in GIVEN]
        with self._log.open("ab") as log:
            # The engine's client passes signals on, and ends with the exit code of the chat.
            return subprocess.Popen(
                [engine(), "run", "--rm", f"--name={self.name}", *HARDENED, *given, IMAGE], stdout=log, stderr=log
            )

    def run_health_check(self) -> int:
        """Run the image's health check in the container, and return its exit code."""
        configured = inspected(IMAGE)["Config"]
        assert isinstance(configured, dict)
        how, *command = configured["Healthcheck"]["Test"]
        assert how == "CMD", "it needs no shell"
        return subprocess.run([engine(), "exec", self.name, *command], timeout=60, check=False).returncode

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        if self.process.poll() is None:
            subprocess.run([engine(), "kill", self.name], capture_output=True, timeout=60, check=False)
        self.process.wait(40)


def _succeeds(*words: str) -> bool:
    return subprocess.run([engine(), *words], capture_output=True, timeout=600, check=False).returncode == 0
