"""Every route of the table: access, origins, and the headers of each answer."""

import re
import socket
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from chat.app import create_app
from chat.settings import Settings
from tests.routes.table import FIELDS, OTHERS, QUERIES, ROUTES, SENT_HEADERS
from tests.routes.world import VISITORS, World, world
from tests.support.server import SECRET_KEY

ANSWERS = {"s": (303,), ".": (200, 201, 204, 303), "-": (404,), "x": (403,), "?": (422,)}
# A refused request must change nothing.
REFUSED = "s-x?"
# A person's own style sheet does not change while they are signed in, and the emoji do not change at all.
SIGNED_IN = [route for route, expected in ROUTES.items() if expected.startswith("s")]
KEPT_BY_BROWSERS = {
    "GET /me.css",
    "GET /emoji/all",
    "GET /files/{file_id}/{name}",
    "GET /files/{file_id}/thumbnails/{scale}",
    "GET /messages/{message_id}/previews/{preview_id}",
    "GET /people/{user_id}/faces/{version}/{side}",
    "GET /rooms/{room_id}/faces/{version}/{side}",
}
KEPT_BY_PROXIES = {"GET /accent.css", "GET /logo/{version}/{side}"}
HEADERS = {
    "content-security-policy": r"default-src 'none';.*frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": r"camera=\(\).*",
}
FOREIGN = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "another site, old browser": {"Origin": "https://evil.example"},
    "no origin": {"Origin": "null"},
    "a sibling": {"Sec-Fetch-Site": "same-site"},
    "typed by hand": {"Sec-Fetch-Site": "none"},
    "no header": {},
}


_CONVERTER = re.compile(r":\w+(?=})")


def routes_of(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield f"MOUNT {route.path}"
            yield from (f"{each.split()[0]} {route.path}{each.split()[1]}" for each in routes_of(route.routes))
        elif isinstance(route, WebSocketRoute):
            yield f"WEBSOCKET {_CONVERTER.sub('', route.path)}"
        else:
            assert isinstance(route, Route), f"a kind of route that no test knows: {route}"
            for method in (route.methods or set()) - {"HEAD"}:
                yield f"{method} {_CONVERTER.sub('', route.path)}"


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world() as made:
        yield made


def ask(
    here: World, visitor: str, route: str, headers: dict[str, str] | None = None, method: str = ""
) -> tuple[httpx.Response, bool]:
    """Request a route as its page does; returns the answer, and whether anything was written."""
    place = here.place()
    fill = {**here.people, **place, "new": f"Room {uuid4()}", "uuid": uuid4()}
    path = f"{route.split()[1]}?{QUERIES.get(route, '')}".rstrip("?").format(**place)
    fields = {name: value.format(**fill) for name, value in FIELDS.get(route, {}).items()}
    method = method or route.split(maxsplit=1)[0]
    with here.client(visitor) as client:
        if headers is not None:
            for name in ("Origin", "Sec-Fetch-Site"):
                del client.headers[name]
        before = here.tables.writes()
        sent = {**SENT_HEADERS.get(route, {}), **(headers or {})}
        answer = client.request(method, path, data=fields if method != "GET" else None, headers=sent)
        return answer, here.tables.writes() != before


def assert_has_headers(answer: httpx.Response) -> None:
    for name, pattern in HEADERS.items():
        assert len(answer.headers.get_list(name)) == 1, f"{name}: {answer.headers.get_list(name)}"
        assert re.fullmatch(pattern, answer.headers[name]), f"{name}: {answer.headers[name]}"
    assert "server" not in answer.headers
    if answer.headers.get("content-type", "").startswith("text/"):
        assert answer.headers["content-type"].endswith("; charset=utf-8")


def test_the_table_has_every_route() -> None:
    settings = Settings.from_environment({"DATABASE_URL": "postgresql://nobody@localhost/no", "SECRET_KEY": SECRET_KEY})
    assert sorted(routes_of(create_app(settings).routes)) == sorted([*ROUTES, *OTHERS])
    assert FIELDS.keys() | QUERIES.keys() <= ROUTES.keys()


@pytest.mark.parametrize("route", ROUTES)
def test_each_visitor_gets_the_answer_in_the_table(here: World, route: str) -> None:
    for visitor, expected in zip(VISITORS, ROUTES[route], strict=True):
        answer, has_written = ask(here, visitor, route)
        assert answer.status_code in ANSWERS[expected], f"{visitor}: {answer.status_code} {answer.text}"
        if expected == "s":
            assert answer.headers["location"].startswith("/sign-in"), visitor
        if expected in REFUSED or route.startswith("GET "):
            assert not has_written, visitor
        assert_has_headers(answer)
        if route in KEPT_BY_PROXIES:
            assert answer.headers["cache-control"].startswith("public"), visitor
        elif route not in KEPT_BY_BROWSERS or expected in "s-":
            assert answer.headers["cache-control"] == "no-store", visitor
        else:
            assert answer.headers["cache-control"].startswith("private"), visitor


@pytest.mark.parametrize("route", [route for route in SIGNED_IN if route != "POST /sign-out"])
def test_a_background_request_after_signing_out_gets_no_redirect(here: World, route: str) -> None:
    asked_by_htmx, _ = ask(
        here, "nobody", route, {"HX-Request": "true", "Origin": here.server.url, "Sec-Fetch-Site": "same-origin"}
    )
    assert asked_by_htmx.status_code == 204
    assert asked_by_htmx.headers["hx-refresh"] == "true"


@pytest.mark.parametrize("path", sorted({route.split()[1] for route in ROUTES} | {"/static/js/live.js", "/nothing"}))
def test_no_other_site_can_make_a_member_write(here: World, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        kinds = FOREIGN if f"POST {path}" in ROUTES and method == "POST" else {"no header": {}}
        for kind, headers in kinds.items():
            answer, has_written = ask(here, "alice", f"POST {path}", headers, method)
            assert answer.status_code == 403, f"{method} {kind}: {answer.status_code}"
            assert not has_written, f"{method} {kind}"
            assert_has_headers(answer)


def test_every_kind_of_answer_carries_the_security_headers(here: World) -> None:
    with here.client("alice") as client:
        page = client.get("/list").text
        style = re.findall(r'href="(/static/[^"]+[.]css)"', page)[0]
        asked = [
            client.get(style),
            client.get(style, headers={"If-None-Match": client.get(style).headers["etag"]}),
            client.get("/static/nothing"),
            client.get("/static/../chat/app.py"),
            client.get("/static/js/live.js", headers={"Range": "bytes=0-9", "Accept-Encoding": "identity"}),
            client.head("/"),
            client.options("/"),
            client.get("/rooms/"),
            client.get("/nothing"),
            client.get("/%ff"),
            client.get("/sign-out"),
            client.request("BREW", "/"),
            client.post("/rooms", content=b"x" * 300_000),
            client.post("/rooms", content=b"{}", headers={"Content-Type": "application/json"}),
            client.post("/rooms", content=b"name=%ff", headers={"Content-Type": "application/x-www-form-urlencoded"}),
        ]
        for answer in asked:
            assert_has_headers(answer)
        statuses = [answer.status_code for answer in asked]
        assert client.request("TRACE", "/").status_code == 405
        assert statuses[:6] == [200, 304, 404, 404, 206, 303]
        assert {400, 404, 405, 413, 415} <= set(statuses)
        assert all(answer.headers["cache-control"] == "no-store" for answer in asked if answer.status_code >= 400)


def test_over_https_every_answer_carries_strict_transport_security(here: World) -> None:
    with here.client("nobody") as client:
        client.headers["X-Forwarded-Proto"] = "https"
        for path in ("/", "/sign-in", "/nothing", "/static/js/live.js", "/static/nothing", "/healthz", "/%ff"):
            assert client.get(path).headers["strict-transport-security"].startswith("max-age=31536000"), path
        assert "strict-transport-security" in client.post("/rooms", headers={"Origin": "https://evil.example"}).headers
        del client.headers["X-Forwarded-Proto"]
        assert "strict-transport-security" not in client.get("/sign-in").headers


def raw(here: World, request: bytes) -> httpx.Response:
    """Send bytes that no client library sends; returns the answer."""
    with socket.create_connection(("127.0.0.1", here.server.port), timeout=30) as connection:
        connection.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head:
            read = connection.recv(65536)
            if not read:
                break
            head += read
    lines = head.split(b"\r\n\r\n")[0].split(b"\r\n")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:])]
    return httpx.Response(int(lines[0].split()[1]), headers=headers)


HANDSHAKE = (
    b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.example\r\n\r\n"
)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HANDSHAKE, 403),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nBroken\r\n\r\n", 400),
    ],
    ids=["a handshake", "no request", "no length", "no header"],
)
def test_errors_of_the_http_server_carry_the_security_headers(here: World, request_: bytes, status: int) -> None:
    answer = raw(here, request_)
    assert answer.status_code == status
    assert_has_headers(answer)


def test_an_error_page_carries_the_security_headers_and_is_not_cached(here: World) -> None:
    with here.client("alice") as client:
        here.tables.execute("ALTER TABLE rooms RENAME COLUMN topic TO gone")
        try:
            failed = client.get("/rooms")
        finally:
            here.tables.execute("ALTER TABLE rooms RENAME COLUMN gone TO topic")
    assert failed.status_code == 500
    assert_has_headers(failed)
    assert failed.headers["cache-control"] == "no-store"
