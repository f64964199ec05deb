"""Hostile values in every field, header, cookie and path of every route: no route fails, and refusals write nothing."""

import re
from collections.abc import Iterator
from typing import TypedDict
from urllib.parse import quote, quote_from_bytes, urlencode
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.routes.table import FIELDS, QUERIES, ROUTES
from tests.routes.world import VISITORS, World, world

EXAMPLES = 6  # for each route; in each, every kind of value may be anywhere
# Words of SQLAlchemy and PostgreSQL in the log of a failure, and the values they must not quote.
FAILURE = re.compile(r"Traceback|\[parameters: |\[SQL: |DETAIL: |\$argon2| ERROR ")

HOSTILE = [
    b"",
    b" ",
    b"\x00",
    b"a\x00b",
    b"\xff\xfe",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    "\u202eevil\u2066".encode(),
    "\u200b\ufeff\u00ad".encode(),
    b"\x01\x1b[31m\x7f\x85",
    "a\u0300".encode() * 500,
    "👩‍👩‍👧‍👦".encode() * 20,
    b"0",
    b"-1",
    b"1",
    b"+1",
    b"007",
    b"1_0",
    b"1.5",
    b"1e400",
    b"NaN",
    b"9" * 18,
    b"9" * 19,
    b"9223372036854775808",
    b"9" * 5000,
    "٣".encode(),
    "²".encode(),
    b"[",
    b"http://[",
    b"//evil.example",
    b"/\\evil.example",
    b"javascript:alert(1)",
    b"' OR 1=1; DROP TABLE users; --",
    b'"; SELECT pg_sleep(10); --',
    b"%s%n%(name)s%%00%",
    b"{{7*7}}${7*7}{0.__class__}{%raw%}",
    b"<script>alert(1)</script>",
    b"../../../../etc/passwd",
    b"a\r\nSet-Cookie: x=y",
    b'{"a": [1, null]}',
    b"null",
    b"true",
    b"\\",
    b"@room @Bob Brown",
    b"/topic " + b"x" * 300,
    b"/status :nonsense: x",
    b"```cpp\nx",
    b"> " * 200,
    b"x" * 4097,
    b"x" * 60_000,
    b":nonsense:",
    "🏳".encode(),
    b"00000000-0000-0000-0000-00000000000",
    b"{00000000-0000-0000-0000-000000000000}",
    b"urn:uuid:00000000-0000-0000-0000-000000000000",
    b"a@b@c",
    b"a\x00b@example.org",
    b"alice.adams@example.org",
    b"Europe/../../etc/passwd",
    b"administrator",
    b"yes",
]
# Every field and query of the chat's own pages.
NAMES = sorted(
    {name for fields in FIELDS.values() for name in fields}
    | {
        "alt", "download", "file", "upload",
        "archived", "before", "body", "client_id", "code", "color", "current_password", "days", "direct_level", "email",
        "email_password", "emoji", "epoch", "after", "from", "hours", "installation_name", "invite", "kind", "level",
        "name", "next", "open", "order", "page", "password", "person", "pinned", "position", "q", "read", "room_level",
        "room_name", "rooms_by", "saved", "slow_seconds", "strangers", "text", "theme", "time_zone", "topic",
        "unread_first", "until", "uses", "usual", "word", "writing", "_charset_", "a[]", "__proto__", "",
    }
)  # fmt: skip
HEADERS = [
    "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Encoding", "Content-Type",
    "Content-Language", "Expect", "Forwarded", "HX-Boosted", "HX-Current-URL", "HX-Request", "HX-Target", "HX-Trigger",
    "If-Match", "Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset",
    "If-Modified-Since", "If-None-Match", "If-Range", "Origin", "Range", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode",
    "Sec-Fetch-Site", "Sec-WebSocket-Key", "Upgrade-Insecure-Requests", "User-Agent", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Http-Method-Override", "X-Request-ID", "X-Unasked",
]  # fmt: skip
COOKIES = [
    "zone", "simplechat-access", "simplechat-refresh", "simplechat-browser", "__Host-access", "__Host-refresh", "other",
]  # fmt: skip
# {"alg":"none"} with the claims of a session; ours with another key; an empty signature.
FORGED = [
    b"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiIxIiwidXNlIjoiYWNjZXNzIiwiZXhwIjo5OTk5OTk5OTk5fQ.",
    b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIiwidXNlIjoiYWNjZXNzIiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA",
    b"eyJhbGciOiJIUzI1NiJ9.bnVsbA.AAAA",
    b"a.b.c",
    b"..",
]

values = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=40),
)
# h11 refuses control characters and line breaks; tests/serving/test_protocol.py sends those.
sendable = values.map(lambda value: re.sub(rb"[\x00-\x1f\x7f]", b"?", value)[:4000].strip())
fields = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=6)
headers = st.lists(st.tuples(st.sampled_from(HEADERS), sendable), max_size=4)
cookies = st.lists(st.tuples(st.sampled_from(COOKIES), sendable | st.sampled_from(FORGED)), max_size=3)


class Hostile(TypedDict):
    """The hostile parts of a request; None for the usual ones."""

    path: bytes | None
    query: list[tuple[str, bytes]]
    form: list[tuple[str, bytes]] | None
    headers: list[tuple[str, bytes]]
    cookies: list[tuple[str, bytes]]
    multipart: bool
    htmx: bool


@st.composite
def requests(draw: st.DrawFn) -> Hostile:
    """The hostile parts of a request: mostly one or two, or the first would hide the others."""
    parts = draw(st.sets(st.sampled_from(["path", "query", "form", "headers", "cookies"]), min_size=1, max_size=2))
    return {
        "path": draw(values) if "path" in parts else None,
        "query": draw(fields) if "query" in parts else [],
        "form": draw(fields) if "form" in parts else None,
        "headers": draw(headers) if "headers" in parts else [],
        "cookies": draw(cookies) if "cookies" in parts else [],
        "multipart": draw(st.booleans()),
        "htmx": draw(st.booleans()),
    }


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world() as made:
        yield made


def encoded(pairs: list[tuple[str, bytes]]) -> bytes:
    return "&".join(f"{quote(name)}={quote_from_bytes(value)}" for name, value in pairs).encode()


def multipart(pairs: list[tuple[str, bytes]]) -> bytes:
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value + b"\r\n"
        for name, value in pairs
    ]
    return b"".join(parts) + b"--edge--\r\n"


def send(here: World, visitor: str, route: str, hostile: Hostile) -> tuple[httpx.Response, bool]:
    """Send a page's request with its hostile parts; returns the answer, and whether anything was written."""
    method, template = route.split()
    place = here.place()
    fill = {**here.people, **place, "new": f"Room {uuid4()}", "uuid": uuid4()}
    if hostile["path"] is not None:
        each = {name: quote_from_bytes(hostile["path"], safe="") or "%20" for name in place}
        path = template.format(**each) if "{" in template else f"{template}/{each['room_id']}"
    else:
        path = template.format(**place)
    query = QUERIES.get(route, "").format(**place).encode() or urlencode([]).encode()
    query = b"&".join(filter(None, [query, encoded(hostile["query"])]))
    form = [(name, value.format(**fill).encode()) for name, value in FIELDS.get(route, {}).items()]
    if hostile["form"] is not None:
        replaced = {name for name, _ in hostile["form"]}
        form = [*((name, value) for name, value in form if name not in replaced), *hostile["form"]]
    headers: list[tuple[bytes, bytes]] = [(b"Origin", here.server.url.encode()), (b"Sec-Fetch-Site", b"same-origin")]
    if hostile["htmx"]:
        headers.append((b"HX-Request", b"true"))
    body = None
    if method != "GET":
        body = multipart(form) if hostile["multipart"] else encoded(form)
        kind = b"multipart/form-data; boundary=edge" if hostile["multipart"] else b"application/x-www-form-urlencoded"
        headers.append((b"Content-Type", kind))
    jar = [(name, value.encode()) for name, value in here.cookies_of(visitor).items()]
    jar += hostile["cookies"]
    headers.append((b"Cookie", b"; ".join(name.encode() + b"=" + value for name, value in jar)))
    for name, value in hostile["headers"]:
        headers = [(known, kept) for known, kept in headers if known.lower() != name.lower().encode()]
        headers.append((name.encode(), value))
    before = here.tables.writes()
    url = here.stranger.base_url.copy_with(raw_path=path.encode() + (b"?" + query if query else b""))
    here.stranger.cookies.clear()
    answer = here.stranger.request(method, url, content=body, headers=headers)
    return answer, here.tables.writes() != before


@pytest.mark.parametrize("route", ROUTES)
def test_hostile_values_are_refused_or_treated_as_text(here: World, route: str) -> None:
    logged = len(here.server.log)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(visitor=st.sampled_from(VISITORS), hostile=requests())
    def check(visitor: str, hostile: Hostile) -> None:
        answer, has_written = send(here, visitor, route, hostile)
        assert answer.status_code < 500, f"{visitor} {answer.status_code}: {here.server.log[logged:][-3000:]}"
        if answer.status_code >= 400 or route.startswith("GET "):
            assert not has_written, f"{visitor} {answer.status_code}"

    check()
    said = here.server.log[logged:]
    found = FAILURE.search(said)
    assert not found, said[max(0, found.start() - 2000) : found.end() + 500]


def fields_of(route: str) -> list[str]:
    """The names of the fields that a route reads, from its form or from its query."""
    return [*FIELDS.get(route, {}), *re.findall(r"(\w+)=", QUERIES.get(route, ""))]


@pytest.mark.parametrize("route", [route for route in ROUTES if fields_of(route)])
def test_hostile_values_in_known_fields_are_refused_or_treated_as_text(here: World, route: str) -> None:
    """Attack a field at a time: in a hostile form the first refused field hides the others."""
    own = fields_of(route)
    logged = len(here.server.log)
    is_query = route.startswith("GET ")
    for place, name in enumerate(own):
        for value in HOSTILE[place % 4 :: 4] if len(own) > 1 else HOSTILE[::2]:
            own_part = [(name, value)]
            hostile: Hostile = {
                "path": None,
                "query": own_part if is_query else [],
                "form": None if is_query else own_part,
                "headers": [],
                "cookies": [],
                "multipart": False,
                "htmx": False,
            }
            answer, has_written = send(here, "alice", route, hostile)
            assert answer.status_code < 500, f"{name}={value[:60]!r}: {here.server.log[logged:][-3000:]}"
            if answer.status_code >= 400 or route.startswith("GET "):
                assert not has_written, f"{name}={value[:60]!r}"
    assert not FAILURE.search(here.server.log[logged:])


BROKEN = """
    CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / 0; RETURN NEW; END $$;
    CREATE TRIGGER broken BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION broken();
    CREATE TRIGGER broken BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION broken()
"""


def test_a_failure_of_the_database_shows_no_values_anywhere(here: World) -> None:
    place, logged = here.place(), len(here.server.log)
    # An administrator's hostile form may have closed it.
    here.tables.execute("UPDATE installation SET sign_up_open = true")
    here.tables.execute(BROKEN)
    try:
        with here.client("nobody") as nobody, here.client("bob") as bob:
            typed = {"name": "Secret Person", "email": "secret.person@example.org", "password": "a very long password"}
            answers = [nobody.post("/sign-up", data=typed)]
            post = {"body": "a secret message", "client_id": str(uuid4())}
            answers.append(bob.post(f"/rooms/{place['room_id']}/messages", data=post))
    finally:
        here.tables.execute("DROP FUNCTION broken CASCADE")
    here.server.until_logged("division by zero", times=2, since=logged)
    said = here.server.log[logged:]
    for secret in ("$argon2", "secret.person", "Secret Person", "a very long password", "a secret message"):
        assert secret not in said
        assert not any(secret in answer.text for answer in answers)
    assert [answer.status_code for answer in answers] == [500, 500]
