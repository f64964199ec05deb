"""Defences of every request: headers, origins, errors."""

import gzip
import re
from collections.abc import Callable

import brotli
import httpx
import pytest
import zstandard
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from chat.static_files import SHEETS_OF_PAGES, STYLE_SHEETS
from tests.support.databases import admin_url, execute, run
from tests.support.people import PASSWORD, Person, browser
from tests.support.server import ROOT, SETUP_CODE, ChatServer, until_ready

PATHS = [
    "/",
    "/rooms",
    "/rooms/1",
    "/nothing",
    "/static/js/live.js",
    "/static/nothing",
    "/healthz",
    "/me.css",
    "/admin",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_a_strict_content_security_policy(alice: Person, path: str) -> None:
    for client in (alice.client, browser(alice.server)):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "data:" not in policy
        assert "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_unsafe_requests_from_other_sites_are_refused(alice: Person) -> None:
    own, fields = alice.server.url, {"name": "Alice A."}
    cookies = alice.client.cookies
    allowed = [
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Origin": own},
        {"Sec-Fetch-Site": "same-origin"},
    ]
    refused = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": own.replace("http", "https")},
        {"Origin": f"{own}.evil.example"},
        {"Origin": own, "Sec-Fetch-Site": "cross-site"},
        {"Origin": own, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Referer": f"{own}/profile"},
    ]
    with httpx.Client(base_url=own, cookies=cookies) as client:
        for headers in allowed:
            assert client.post("/profile/name", data=fields, headers=headers).status_code == 303
        for headers in refused:
            answer = client.post("/profile/name", data=fields, headers=headers)
            assert answer.status_code == 403
            assert "own pages" in answer.text


def test_a_websocket_must_have_exactly_our_origin(alice: Person) -> None:
    address = alice.server.url.replace("http", "ws") + "/live"
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())}
    with connect(address, origin=alice.server.origin, additional_headers=cookie):
        pass
    for origin in ("https://evil.example", f"{alice.server.url}.evil.example", "null", None):
        claimed = None if origin is None else Origin(origin)
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(address, origin=claimed, additional_headers=cookie),
        ):
            pass


def test_a_socket_ignores_an_email_in_its_query(alice: Person) -> None:
    """A chat that ours replaced trusted `?email=` in the address of a websocket."""
    address = alice.server.url.replace("http", "ws") + f"/rooms/1/live?email={alice.email}&user_id=1"
    with connect(address, origin=alice.server.origin) as socket:
        assert "signed out" in str(socket.recv(timeout=20))


def test_with_a_public_url_only_that_origin_is_accepted(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, PUBLIC_URL="https://chat.example.org")
    fields = {
        "code": SETUP_CODE,
        "installation_name": "School",
        "room_name": "Lobby",
        "name": "Alice",
        "email": "alice@example.org",
        "password": PASSWORD,
    }
    with httpx.Client(base_url=server.url) as client:
        assert client.post("/first-run", data=fields, headers={"Origin": server.url}).status_code == 403
        public = {"Origin": "https://chat.example.org", "X-Forwarded-Proto": "https"}
        answer = client.post("/first-run", data=fields, headers=public)
        assert answer.status_code == 303
        assert "strict-transport-security" in answer.headers


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/rooms/4711", 404), ("/sign-out", 405)])
def test_errors_are_pages_of_the_chat_without_a_traceback(alice: Person, path: str, status: int) -> None:
    answer = alice.get(path)
    assert answer.status_code == status
    assert "Back to the chat" in answer.text
    assert "Traceback" not in answer.text


def test_without_its_database_the_chat_shows_a_kind_page_and_recovers(alice: Person) -> None:
    name = alice.server.database_url.split("/")[3].split("?")[0]

    def allow(connections: bool) -> None:
        run(execute(admin_url(), f"ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}"))

    allow(False)
    run(execute(admin_url(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name))
    for _ in range(3):
        answer = alice.get("/rooms/1")
        assert answer.status_code == 503
        assert "short break" in answer.text
        assert answer.headers["content-security-policy"]
    assert alice.client.get("/readyz").status_code == 503
    assert alice.client.get("/healthz").status_code == 200
    assert alice.post(1, "lost?").status_code == 503
    allow(True)
    until_ready(alice.server.url)
    assert alice.get("/rooms/1").status_code == 200


def test_browsers_keep_static_files_for_ever_under_their_digest(alice: Person) -> None:
    page = alice.get("/").text
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert addresses
    for address in addresses:
        _, _, digest, name = address.split("/", 3)
        kept, plain, other = (alice.client.get(f"/static/{each}{name}") for each in (f"{digest}/", "", "0123456789ab/"))
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert plain.headers["cache-control"] == other.headers["cache-control"] == "no-cache"
        assert kept.headers["content-type"] == plain.headers["content-type"] == other.headers["content-type"]
        assert kept.content == plain.content == other.content
        assert alice.client.get(address, headers={"If-None-Match": kept.headers["etag"]}).status_code == 304
    assert alice.client.get("/static/0123456789ab/nothing.js").headers["cache-control"] == "no-store"


def test_style_sheets_share_a_response_as_do_vendored_scripts(alice: Person) -> None:
    plain = {"Accept-Encoding": "identity"}
    for name, sheets in {"chat": STYLE_SHEETS, "pages": SHEETS_OF_PAGES}.items():
        style = alice.client.get(f"/static/css/{name}.css", headers=plain).text
        for sheet in sheets:
            assert (ROOT / f"static/css/{sheet}.css").read_text() in style
    script = alice.client.get("/static/vendor/htmx.js", headers=plain).text
    for part in (ROOT / "static/vendor").glob("h*.min.js"):
        assert part.read_text() in script


def test_a_conversation_loads_the_style_of_all_its_classes(alice: Person) -> None:
    page = alice.get("/rooms/1").text
    assert "/css/chat.css" in page
    assert "/css/pages.css" not in page
    assert "/css/pages.css" in alice.get("/people").text
    loaded, apart = (
        set(re.findall(r"\.([a-z][a-z-]+)", "".join((ROOT / f"static/css/{name}.css").read_text() for name in sheets)))
        for sheets in (STYLE_SHEETS, SHEETS_OF_PAGES)
    )
    assert "panel" in loaded
    assert "choice" in apart
    used = set(" ".join(re.findall(r'class="([^"]*)"', page)).split())
    assert used & apart <= loaded


def test_static_files_are_compressed_and_fetched_once(alice: Person) -> None:
    address = "/static/css/base.css"
    answer = alice.client.get(address)
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(answer.text) / 2
    plain = alice.client.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == (ROOT / address.lstrip("/")).read_text()
    blank = re.compile(r"/\*.*?\*/|\s", re.DOTALL)
    assert re.sub(r"\s", "", answer.text) == blank.sub("", plain.text), "it lacks only comments and indentation"
    again = alice.client.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    {
        "gzip, deflate, br, zstd": "zstd",
        "gzip, deflate, br": "br",
        "gzip, deflate": "gzip",
        "zstd;q=0, gzip": "gzip",
        "identity": None,
    }.items(),
)
def test_pages_are_compressed_as_the_browser_accepts(alice: Person, accepted: str, chosen: str | None) -> None:
    with alice.client.stream("GET", "/rooms/1", headers={"Accept-Encoding": accepted}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == chosen
    assert int(answer.headers["content-length"]) == len(sent)
    plain = alice.client.get("/rooms/1", headers={"Accept-Encoding": "identity"}).content
    if chosen is None:
        assert b"</html>" in sent
    else:
        assert len(sent) < len(plain) / 3
        assert answer.headers["vary"] == "Accept-Encoding"
        unpacked = {"zstd": zstandard.decompress, "br": brotli.decompress, "gzip": gzip.decompress}[chosen](sent)
        assert b"</html>" in unpacked


def test_browsers_do_not_cache_members_pages(alice: Person) -> None:
    assert alice.get("/rooms/1").headers["cache-control"] == "no-store"


def test_a_malformed_request_is_refused(server: ChatServer) -> None:
    client = browser(server)
    multipart = {"Content-Type": "multipart/form-data"}
    assert client.post("/first-run", content=b"x", headers=multipart).status_code in (400, 422)
    assert client.post("/first-run", data={f"field{n}": "x" for n in range(200)}).status_code in (400, 422)
