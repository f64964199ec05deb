"""Platforms that read a Procfile: a router with an unknown address ends TLS."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets import Origin
from websockets.exceptions import InvalidStatus

from tests.support.ports import free_port
from tests.support.server import ROOT, SECRET_KEY, SETUP_CODE, ChatServer, until_ready
from tests.support.tls import Certificate
from tests.support.tls_router import TlsRouter
from tests.test_start import CLEAN

HOST = "chat.example.org"
PUBLIC_URL = f"https://{HOST}"
FIRST_RUN = {
    "code": SETUP_CODE,
    "installation_name": "School",
    "room_name": "Lobby",
    "name": "Alice Adams",
    "email": "alice@example.org",
    "password": "correct horse battery staple",
}


class Platform:
    """The Procfile's process behind a router."""

    def __init__(self, router: TlsRouter, log: Path, stack: ExitStack) -> None:
        self.router, self._log, self._stack = router, log, stack

    @property
    def log(self) -> str:
        return self._log.read_text()

    def refusals(self) -> list[str]:
        """Wait for the line about the refused request: a thread writes the log."""
        deadline = time.monotonic() + 20
        while "was refused" not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        return [line for line in self.log.splitlines() if "was refused" in line]

    def browser(self, host: str = HOST) -> httpx.Client:
        """A browser at a name of the chat's; keeps cookies as a browser does."""
        headers = {"Origin": f"https://{host}", "Sec-Fetch-Site": "same-origin"}
        client = httpx.Client(
            transport=self.router.transport(), base_url=f"https://{host}", headers=headers, timeout=30
        )
        return self._stack.enter_context(client)


@pytest.fixture
def start_platform(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Platform]]:
    """Start the Procfile as it stands: `start_platform(PUBLIC_URL=…)`."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(database_url, tmp_path, stack, settings))


@contextmanager
def running(database_url: str, folder: Path, stack: ExitStack, settings: dict[str, str]) -> Iterator[Platform]:
    port = free_port()
    environment = CLEAN | {
        "DATABASE_URL": database_url.replace("postgresql://", "postgres://"),
        "SECRET_KEY": SECRET_KEY,
        "SETUP_CODE": SETUP_CODE,
        "PORT": str(port),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **settings,
    }
    log = folder / "platform.log"
    with log.open("wb") as output:
        honcho = [sys.executable, "-m", "honcho", "start", "web"]
        process = subprocess.Popen(honcho, cwd=ROOT, env=environment, stdout=output, stderr=output)
    router = TlsRouter(port, Certificate(folder, f"DNS:{HOST}", "DNS:other.example.org"))
    try:
        until_ready(f"http://127.0.0.1:{port}")
        yield Platform(router, log, stack)
    finally:
        process.terminate()
        process.wait(40)
        router.stop()


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    return {cookie.partition("=")[0]: cookie for cookie in answer.headers.get_list("set-cookie")}


def test_public_url_alone_makes_the_chat_work_behind_a_router(
    start_platform: Callable[..., Platform],
) -> None:
    platform = start_platform(PUBLIC_URL=PUBLIC_URL)
    alice = platform.browser()
    answer = alice.get("/first-run")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    signed_up = alice.post("/first-run", data=FIRST_RUN)
    assert signed_up.status_code == 303, signed_up.text
    cookies = cookies_of(signed_up)
    assert set(cookies) >= {"__Host-access", "__Host-refresh"}
    assert all(name.startswith("__Host-") for name in cookies)
    for cookie in cookies.values():
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie

    bob = platform.browser()
    fields = {"name": "Bob", "email": "bob@example.org", "password": FIRST_RUN["password"], "invite": ""}
    assert bob.post("/sign-up", data=fields).status_code == 303
    sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in bob.cookies.items())}
    epoch = re.findall(r'data-epoch="([0-9a-f-]+)"', bob.get("/rooms/1").text)[0]
    with platform.router.connect(HOST, f"/rooms/1/live?after=0&epoch={epoch}", sent, Origin(PUBLIC_URL)) as page:
        assert alice.post("/rooms/1/messages", data={"body": "hello Bob"}).status_code in (200, 303)
        while "hello Bob" not in str(page.recv(timeout=30)):
            pass
    with (
        pytest.raises(InvalidStatus),
        platform.router.connect(HOST, "/rooms/1/live", sent, Origin("https://evil.example")),
    ):
        pass

    assert alice.post("/admin/invite").status_code == 303
    admin = alice.get("/admin").text
    assert f"{PUBLIC_URL}/invite/" in admin
    assert "http://" not in admin.replace("http://www.w3.org", "")
    assert "PUBLIC_URL" not in platform.log, "nothing is missing"


def test_without_public_url_a_refused_form_says_to_set_it(start_platform: Callable[..., Platform]) -> None:
    platform = start_platform()
    assert "PUBLIC_URL is not set" in platform.log
    page = platform.browser().get("/first-run")
    assert page.status_code == 400
    assert f"PUBLIC_URL={PUBLIC_URL}" in page.text
    with pytest.raises(InvalidStatus), platform.router.connect(HOST, "/live", {}, Origin(PUBLIC_URL)):
        pass
    for _ in range(3):
        platform.browser("other.example.org").get("/")
    refusals = platform.refusals()
    assert len(refusals) == 1, "said once a minute"
    assert f"A request for {PUBLIC_URL} was refused" in refusals[0]
    assert f"set PUBLIC_URL={PUBLIC_URL}" in refusals[0]


def test_a_refused_form_says_that_the_chat_sees_no_https(
    start_platform: Callable[..., Platform],
) -> None:
    platform = start_platform(ALLOWED_HOSTS="*.example.org")
    alice = platform.browser()
    assert 'name="code"' in alice.get("/first-run").text, "pages are shown"
    answer = alice.post("/first-run", data=FIRST_RUN)
    assert answer.status_code == 403
    assert f"must set PUBLIC_URL={PUBLIC_URL}" in answer.text
    with pytest.raises(InvalidStatus), platform.router.connect(HOST, "/live", {}, Origin(PUBLIC_URL)):
        pass
    refusals = platform.refusals()
    assert len(refusals) == 1
    assert f"A request for {PUBLIC_URL} was refused" in refusals[0]
    assert f"PUBLIC_URL={PUBLIC_URL}" in refusals[0]


def test_the_chat_works_at_every_allowed_host_behind_a_trusted_router(
    start_platform: Callable[..., Platform],
) -> None:
    platform = start_platform(ALLOWED_HOSTS="*.example.org", FORWARDED_ALLOW_IPS="*", HSTS_INCLUDE_SUBDOMAINS="yes")
    alice = platform.browser()
    signed_up = alice.post("/first-run", data=FIRST_RUN)
    assert signed_up.status_code == 303
    assert signed_up.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert set(cookies_of(signed_up)) >= {"__Host-access", "__Host-refresh"}
    other = platform.browser("other.example.org")
    fields = {"email": FIRST_RUN["email"], "password": FIRST_RUN["password"]}
    assert other.post("/sign-in", data=fields).status_code == 303
    assert other.post("/sign-in", data=fields, headers={"Origin": PUBLIC_URL}).status_code == 403


def test_the_router_sets_the_clients_address_and_a_forgery_is_ignored(
    start_platform: Callable[..., Platform],
) -> None:
    platform = start_platform(PUBLIC_URL=PUBLIC_URL, FORWARDED_ALLOW_IPS="*", LOG_FORMAT="json")
    platform.browser().get("/sign-in", headers={"X-Forwarded-For": "203.0.113.99", "X-Forwarded-Host": "evil.example"})
    deadline = time.monotonic() + 20
    while '"address": "127.0.0.1"' not in platform.log:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "203.0.113.99" not in platform.log


def test_the_servers_own_address_redirects_visitors_to_the_public_url(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, PUBLIC_URL=PUBLIC_URL)

    def get(path: str, local: str = "127.0.0.2", **headers: str) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(local_address=local), base_url=server.url) as client:
            return client.get(path, headers=headers)

    answer = get("/sign-in?next=%2Frooms%2F1")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{PUBLIC_URL}/sign-in?next=%2Frooms%2F1"
    assert answer.headers["cache-control"] == "no-store"
    assert get(f"{server.url}//evil.example/").headers["location"] == f"{PUBLIC_URL}//evil.example/"
    assert get("/healthz").status_code == 200
    assert get("/readyz").status_code == 200
    # The router reports plain http.
    plain = {"Host": HOST, "X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.7"}
    assert get("/first-run", **plain).headers["location"] == f"{PUBLIC_URL}/first-run"
    # The browser used https, but a proxy in between used http.
    inner = {**plain, "Sec-Fetch-Site": "none"}
    assert get("/first-run", **inner).status_code != 307
    # A proxy that sends its own name for the chat in Host must not get into a redirect loop.
    assert get("/first-run", **{"X-Forwarded-For": "203.0.113.7"}).status_code != 307
    assert get("/first-run", local="127.0.0.1").status_code != 307
    assert get("/first-run", Host=HOST).status_code != 307
    assert get("/first-run", Host=f"{HOST}:443").status_code != 307


def test_a_form_sent_from_another_address_is_told_the_public_url(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, PUBLIC_URL=PUBLIC_URL)
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    answer = httpx.post(f"{server.url}/first-run", data=FIRST_RUN, headers=own)
    assert answer.status_code == 403
    assert f"Open {PUBLIC_URL}" in answer.text
    server.until_logged(f"A request from {server.url} was refused, as PUBLIC_URL is {PUBLIC_URL}")
    answer = httpx.post(f"{server.url}/first-run", data=FIRST_RUN, headers={"Origin": "https://evil.example"})
    assert "own pages" in answer.text
    assert "evil" not in answer.text
