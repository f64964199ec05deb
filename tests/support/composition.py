"""The services of compose.yaml, started by that file as it is."""

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.container import IMAGE, engine
from tests.support.manifests import DEPLOY
from tests.support.server import ROOT, TLS, ChatServer

CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"


def find_compose() -> list[str] | None:
    """Return the command of Compose: the engine's own, or a program, perhaps of `make deploy-check`."""
    try:
        if subprocess.run([engine(), "compose", "version"], capture_output=True, check=False).returncode == 0:
            return [engine(), "compose"]
    except OSError:
        return None
    found = shutil.which("docker-compose") or shutil.which("docker-compose", path=str(DEPLOY))
    return [found] if found else None


class Composition(ChatServer):
    """The chat at https://localhost, in containers behind Caddy, which makes a certificate for that name itself."""

    def __init__(self, command: list[str]) -> None:
        super().__init__("")
        self.url = "https://localhost"
        self._command = command
        self._project = f"simplechat-{secrets.token_hex(4)}"
        with tempfile.NamedTemporaryFile("w", prefix="simplechat-", suffix=".env", delete=False) as settings:
            settings.write(f"CHAT_HOST=localhost\nSECRET_KEY={secrets.token_hex(32)}\n")
            settings.write(f"POSTGRES_PASSWORD={secrets.token_hex(24)}\nCHAT_IMAGE={IMAGE}\n")
        self._settings = Path(settings.name)

    def run(self, *words: str, within: float = 300) -> str:
        """Run a command of Compose and return what it prints."""
        command = [*self._command, "--project-name", self._project, "--env-file", str(self._settings), *words]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=within, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def start(self, patience: float = 300) -> None:
        """Start everything, wait until it is healthy, and trust Caddy's certificate."""
        self.run("up", "--detach", "--no-build", "--wait", within=patience)
        TLS.load_verify_locations(cadata=self.run("exec", "--no-TTY", "proxy", "cat", CERTIFICATE))

    @property
    def setup_code(self) -> str:
        """The code in the link that a chat logs until it is set up."""
        logged = self.run("logs", "--no-log-prefix", "chat-one")
        return str(re.findall(r"/first-run\?code=(\w+)", logged)[-1])

    def remove(self) -> None:
        """Remove the containers, their networks and their volumes."""
        super().remove()
        self.run("down", "--volumes", "--timeout", "1")
        self._settings.unlink()
