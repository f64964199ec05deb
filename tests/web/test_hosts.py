"""The hosts the chat answers to."""

import socket

import httpx
import pytest
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from chat.hosts import AllowedHosts, host_name, read_patterns
from chat.settings import Settings
from tests.support.people import Person, browser
from tests.support.server import SECRET_KEY, ChatServer
from tests.test_start import settings_error

MACHINE = socket.gethostname().lower()


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("chat.example.org", "chat.example.org"),
        ("Chat.Example.ORG:8000", "chat.example.org"),
        ("chat.example.org.", "chat.example.org"),
        ("chat.example.org.:80", "chat.example.org"),
        ("my_chat", "my_chat"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[2001:DB8::1]:8000", "2001:db8::1"),
        ("", None),
        (".", None),
        (":8000", None),
        ("::1", None),
        ("[::1", None),
        ("[chat]", None),
        ("[127.0.0.1]", "127.0.0.1"),
        ("[::1]x", None),
        ("chat:", None),
        ("chat:http", None),
        ("chat:123456", None),
        ("a@chat.example.org", None),
        ("evil.example@localhost", None),
        ("localhost/evil", None),
        ("localhost#evil", None),
        ("localhost?evil", None),
        ("localhost, evil.example", None),
        ("localhost evil.example", None),
        ("localhost\tx", None),
        ("localhost\\evil", None),
        ("a..b", None),
        ("-localhost", None),
        ("chät.example", None),
        ("localhost%00", None),
        ("١٢٧.0.0.1", None),
        ("a" * 256, None),
        ("a." * 100_000, None),
    ],
)
def test_a_valid_host_is_a_name_or_an_address(header: str, name: str | None) -> None:
    assert host_name(header) == name


def test_this_machine_answers_to_its_names_and_addresses_only() -> None:
    hosts = AllowedHosts((), None)
    short = MACHINE.partition(".")[0]
    ours = ["localhost", "chat.localhost", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", MACHINE, short]
    for name in (*ours, f"{short}.local", f"{short}.lan"):
        assert hosts.allow(name, "127.0.0.1"), name
    others = [
        "evil.example",
        "localhost.evil.example",
        "notlocalhost",
        f"{short}.evil.example",
        "203.0.113.9",
        "0.0.0.0",
    ]
    for name in (*others, "::", "224.0.0.1", "2001:db8::9", "127.1", "2130706433", "0x7f.0.0.1", "127.0.0.01"):
        assert not hosts.allow(name, "127.0.0.1"), name
    assert hosts.allow("192.0.2.4", "192.0.2.4"), "the address it was connected to is this machine's"
    assert not hosts.allow("192.0.2.5", "192.0.2.4")


def test_an_interfaces_address_is_allowed_behind_a_proxy_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine is in no network")
        address = probe.getsockname()[0]
    assert AllowedHosts((), None).allow(address, "127.0.0.1")


@pytest.mark.parametrize(
    ("patterns", "name", "allowed"),
    [
        ("chat.example.org", "chat.example.org", True),
        ("Chat.Example.org.", "chat.example.org", True),
        ("chat.example.org", "x.chat.example.org", False),
        ("*.example.org", "chat.example.org", True),
        ("*.example.org", "a.b.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "evilexample.org", False),
        (".example.org", "chat.example.org", True),
        ("a.example, b.example", "b.example", True),
        ("203.0.113.9", "203.0.113.9", True),
        ("[2001:db8::9]", "2001:db8::9", True),
        ("2001:DB8:0::9", "2001:db8::9", True),
        ("*", "anything.example", True),
        ("", "anything.example", False),
    ],
)
def test_the_chat_answers_to_hosts_in_allowed_hosts(patterns: str, name: str, allowed: bool) -> None:
    assert AllowedHosts(read_patterns(patterns), None).allow(name, "127.0.0.1") is allowed


@pytest.mark.parametrize(
    "text",
    ["https://chat.example.org", "chat.example.org/", "chat:8000", "*chat", "a.*.b", "**", "*.", "a b", "-a", "a..b"],
)
def test_an_invalid_allowed_host_ends_the_start_with_a_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_patterns(text)


def test_an_error_names_the_wrong_setting() -> None:
    assert "ALLOWED_HOSTS must be names such as" in settings_error(ALLOWED_HOSTS="https://chat.example.org")
    assert "HSTS_INCLUDE_SUBDOMAINS must be yes or no" in settings_error(HSTS_INCLUDE_SUBDOMAINS="maybe")


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        ("https://Chat.Example.org/", "https://chat.example.org"),
        ("https://chat.example.org:443", "https://chat.example.org"),
        ("http://chat.example.org:80", "http://chat.example.org"),
        ("https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ("https://chät.example", "https://xn--cht-rla.example"),
    ],
)
def test_the_public_address_is_spelt_as_browsers_spell_an_origin(value: str, origin: str) -> None:
    assert Settings.from_environment({"PUBLIC_URL": value, "SECRET_KEY": SECRET_KEY}).public_url == origin


@pytest.mark.parametrize(
    "value",
    ["https://a@chat.example.org", "https://", "https://chat:x", "https://chat:99999", "https://a#b", "https://a?b",
     "https://a b", "ftp://chat", "https://[::1", "https://a..b", "https://chat.example.org, https://b"],
)  # fmt: skip
def test_a_malformed_public_address_is_refused(value: str) -> None:
    with pytest.raises(Exception, match="PUBLIC_URL must be"):
        Settings.from_environment({"PUBLIC_URL": value, "SECRET_KEY": SECRET_KEY})


def raw(server: ChatServer, request: str) -> str:
    """Send a raw request; returns the first line of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        return connection.makefile("rb").readline().decode()


def test_an_unknown_host_is_refused_everywhere_but_in_health_checks(alice: Person) -> None:
    server = alice.server
    evil = {"Host": f"rebound.example:{server.port}"}
    for path in ("/", "/sign-in", "/static/css/base.css", "/rooms/1", "/nothing", "/invite/x", "/sign-in/"):
        answer = alice.client.get(path, headers=evil)
        assert answer.status_code == 400, path
        assert "content-security-policy" in answer.headers
    page = alice.client.get("/", headers=evil).text
    assert f"PUBLIC_URL=http://rebound.example:{server.port}" in page
    assert "rebound.example to ALLOWED_HOSTS" in page
    own = {**evil, "Origin": f"http://rebound.example:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert alice.client.post("/rooms/1/messages", data={"body": "x"}, headers=own).status_code == 400
    assert alice.reads(1) == []
    for path in ("/healthz", "/readyz"):
        assert alice.client.get(path, headers=evil).status_code == 200
        assert "200" in raw(server, f"GET {path} HTTP/1.0\n\n")
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())}
    host = f"rebound.example:{server.port}"
    with (
        pytest.raises(InvalidStatus),
        connect(
            f"ws://{host}/live",
            sock=socket.create_connection(("127.0.0.1", server.port)),
            origin=Origin(f"http://{host}"),
            additional_headers=cookie,
        ),
    ):
        pass
    server.until_logged("was refused")
    assert len([line for line in server.log.splitlines() if "was refused" in line]) == 1

    # X-Forwarded-Host is never trusted, although this connection comes from a trusted proxy.
    assert alice.client.get("/", headers={"X-Forwarded-Host": "rebound.example"}).status_code in (200, 303)
    assert alice.client.get("/", headers={**evil, "X-Forwarded-Host": "localhost"}).status_code == 400


def test_a_malformed_host_is_refused(server: ChatServer) -> None:
    for head in (
        "",
        "Host:\n",
        "Host: localhost\nHost: rebound.example\n",
        "Host: localhost\nHost: localhost\n",
        "Host: a@localhost\n",
        "Host: localhost/x\n",
        "Host: localhost, localhost\n",
        f"Host: {'a' * 5000}\n",
        "Host: loc\xe4lhost\n",
        "Host: [::1\n",
    ):
        assert " 400 " in raw(server, f"GET /sign-in HTTP/1.1\n{head}Connection: close\n\n"), head
    assert " 400 " in raw(server, "GET /sign-in HTTP/1.0\n\n")
    assert " 400 " in raw(server, "GET http://localhost/sign-in HTTP/1.1\nHost: rebound.example\nConnection: close\n\n")
    for host in ("LOCALHOST", "localhost.:80", "127.0.0.1", "[::1]:8000", MACHINE):
        assert " 303 " in raw(server, f"GET /sign-in HTTP/1.1\nHost: {host}\nConnection: close\n\n"), host


def test_the_redirect_without_a_trailing_slash_names_no_host(alice: Person) -> None:
    client = alice.client
    assert client.get("/rooms/").headers["location"] == "/rooms"
    assert client.get("/rooms/1/?before=2").headers["location"] == "/rooms/1?before=2"
    assert client.get("/rooms//", headers={"Host": "localhost"}).headers["location"] == "/rooms"
    assert client.get("/join/%C3%A4%2F").headers["location"] == "/join/%C3%A4"
    assert client.get("/join/a%252F/").headers["location"] == "/join/a%252F"
    for path in ("//evil.example/", "/%5Cevil.example/", "/nothing/", "//", "/nothing"):
        answer = client.get(f"{alice.server.url}{path}")
        assert "location" not in answer.headers or answer.status_code == 303, path
    assert httpx.URL(str(browser(alice.server).get("/sign-in/").headers["location"])).host == ""
