"""Forms and addresses are UTF-8, even when a client claims another codec."""

from collections.abc import AsyncGenerator
from urllib.parse import quote

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from chat.web.forms import MOST_FIELDS, _short_form, _Urlencoded
from tests.attacks.hostile_forms import Form, codecs, field, multipart, shapes
from tests.support.people import PASSWORD, Person
from tests.support.server import ChatServer

URLENCODED = "application/x-www-form-urlencoded"
BROKEN = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80")  # RFC 3629


def outcome_of_long(body: bytes) -> object:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield body

    async def parse() -> object:
        return (await _Urlencoded(Headers(), pieces(), max_fields=MOST_FIELDS).parse()).multi_items()

    try:
        return anyio.run(parse)
    except (HTTPException, MultiPartException) as error:
        return str(error)


def outcome_of_short(body: bytes) -> object:
    try:
        return _short_form(body).multi_items()
    except (HTTPException, MultiPartException) as error:
        return str(error)


@given(
    st.lists(st.sampled_from([b"a", b"=", b"&", b"+", b"%41", b"%", b"%zz", b"%c3%a9", b"%00", b";", b"\xff", b" "]))
)
def test_a_short_form_is_read_as_a_long_one(parts: list[bytes]) -> None:
    body = b"".join(parts)
    assert outcome_of_short(body) == outcome_of_long(body)


@pytest.mark.parametrize("body", [b"a&" * MOST_FIELDS, b"a&" * (MOST_FIELDS + 1), b"", b"&&", b"a=" + b"x" * 16000])
def test_a_form_at_a_limit_is_read_as_a_long_one(body: bytes) -> None:
    assert outcome_of_short(body) == outcome_of_long(body)


def send(person: Person, form: Form, path: str = "/rooms/1/messages", **headers: str) -> httpx.Response:
    """Post a body unchanged."""
    return person.client.post(path, content=form[1], headers={"Content-Type": form[0], **headers})


def percent(raw: bytes) -> bytes:
    return quote(raw).encode()


def test_a_form_that_names_another_codec_is_refused(alice: Person) -> None:
    for form in codecs(300):
        answer = send(alice, form)
        assert answer.status_code == 400, form[0]
        assert "made no sense" in answer.text
    assert alice.reads(1) == []


def test_a_form_that_names_utf_8_is_accepted(alice: Person) -> None:
    kinds = [f"{URLENCODED}; charset={name}" for name in ("utf-8", "UTF-8", '"utf-8"', "utf8")]
    for number, kind in enumerate(kinds):
        assert send(alice, (kind, f"body=é{number}".encode())).status_code < 400
    part = field(b"body", "ü".encode(), b"Content-Type: text/plain; charset=UTF-8\r\n")
    assert send(alice, multipart(field(b"_charset_", b"UTF-8"), part)).status_code < 400
    assert alice.reads(1) == ["é0", "é1", "é2", "é3", "ü"]


def test_a_form_with_malformed_utf_8_is_refused(alice: Person) -> None:
    forms = [form for broken in BROKEN for form in malformed_forms(broken)]
    for form in forms:
        answer = send(alice, form)
        assert answer.status_code == 400, form
        assert "made no sense" in answer.text
    assert alice.reads(1) == []


def malformed_forms(broken: bytes) -> list[Form]:
    """Forms with these bytes in a value or a name, raw and percent-encoded."""
    return [
        multipart(field(b"body", b"a" + broken)),
        multipart(field(b"a" + broken, b""), field(b"body", b"a")),
        (URLENCODED, b"body=a" + broken),
        (URLENCODED, b"body=a" + percent(broken)),
        (URLENCODED, b"body=a&b" + percent(broken) + b"=c"),
    ]


def test_an_address_with_malformed_utf_8_is_refused(alice: Person) -> None:
    for broken in map(quote, BROKEN):
        for path in (f"/search?q={broken}", f"/rooms?{broken}=1", f"/rooms/{broken}", f"/join/{broken}"):
            answer = alice.get(path)
            assert answer.status_code == 400, path
            assert "made no sense" in answer.text
        address = alice.server.url.replace("http", "ws") + f"/live?after={broken}"
        with pytest.raises(InvalidStatus, match="403"), connect(address, origin=alice.server.origin):
            pass


def test_a_nul_in_a_form_is_replaced_by_a_visible_character(alice: Person) -> None:
    assert send(alice, (URLENCODED, b"body=a%00b")).status_code < 400
    assert send(alice, multipart(field(b"body", b"c\0d"))).status_code < 400
    assert alice.reads(1) == ["a\ufffdb", "c\ufffdd"]
    assert alice.get("/search?q=a%00b").status_code == 200
    assert alice.get("/rooms/%00").status_code == 404
    assert alice.submit("/profile/name", {"name": "Alice\0Adams"}).status_code in (303, 422)
    fields = {"email": "a\0b@x.org", "password": PASSWORD}
    assert alice.submit("/sign-in", fields).status_code == 422


def test_no_malformed_form_breaks_the_server(alice: Person) -> None:
    for form in shapes():
        assert send(alice, form, "/sign-in").status_code in (400, 422), (form[0][:80], form[1][:80])
    assert "Traceback" not in alice.server.log


def test_a_malformed_form_logs_only_its_request(alice: Person) -> None:
    malformed = (b"no boundary", b"--x\r\nA\x00: b\r\n\r\n", b"--x\r\n\r\n\r\n--x-y", b"--x--\r\n" + b"z" * 100)
    for number, body in enumerate(malformed):
        send(alice, ("multipart/form-data; boundary=x", body), **{"X-Request-ID": f"malformed-{number}"})
    for number in range(len(malformed)):
        alice.server.until_logged(f"malformed-{number}")
    lines = [line for line in alice.server.log.splitlines() if "malformed-" in line]
    assert [line for line in lines if " chat." not in line] == []


def test_a_truncated_form_is_refused(alice: Person) -> None:
    kind, body = multipart(field(b"body", b"The first half"))
    for size in range(len(body) - 4):
        assert send(alice, (kind, body[:size])).status_code == 400
    assert alice.reads(1) == []


def test_forms_with_files_are_refused(alice: Person) -> None:
    for name in (b'"a.txt"', b'""'):
        part = b'Content-Disposition: form-data; name="body"; filename=' + name + b"\r\n\r\nwords"
        assert send(alice, multipart(part)).status_code == 400
    encoded = b"Content-Disposition: form-data; name*=utf-8''body\r\n\r\nwords"
    assert send(alice, multipart(encoded)).status_code == 400
    base64 = field(b"body", b"d29yZHM=", b"Content-Transfer-Encoding: base64\r\n")
    assert send(alice, multipart(base64)).status_code == 400
    assert alice.reads(1) == []


def test_a_body_of_another_type_is_refused(alice: Person) -> None:
    for kind in ("application/json", "text/plain", "application/octet-stream", "multipart/mixed; boundary=x"):
        answer = send(alice, (kind, b'{"body": "a"}'))
        assert answer.status_code == 415
        assert "form cannot be read" in answer.text
    assert send(alice, (URLENCODED, b"body=a"), **{"Content-Encoding": "gzip"}).status_code == 415
    assert alice.reads(1) == []


def test_a_too_large_form_in_chunks_is_refused(alice: Person) -> None:
    pieces = (b"body=" + b"a" * 60_000 for _ in range(20))
    answer = alice.client.post("/rooms/1/messages", content=pieces, headers={"Content-Type": URLENCODED})
    assert answer.status_code == 413


def test_a_form_with_two_content_types_is_refused(server: ChatServer) -> None:
    kinds = [("Origin", server.url), ("Content-Type", URLENCODED), ("Content-Type", "multipart/form-data; boundary=x")]
    assert httpx.post(f"{server.url}/sign-in", content=b"email=a", headers=kinds).status_code == 400
