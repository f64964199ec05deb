"""Hostile values in account forms get a clear answer, the same for every visitor, and are not logged."""

import time
from urllib.parse import quote_plus

import httpx

from tests.support.databases import query
from tests.support.people import PASSWORD, Person, browser

TOO_LONG = ("x" * 257, "x" * 4096, "x" * 4097, "\U0001f40e" * 20_000)
UNTYPEABLE = ("a\0bcdefghi", "\0" * 20)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def send_raw(person: Person, path: str, body: str) -> httpx.Response:
    """Send a form's bytes unchanged."""
    return person.client.post(path, content=body.encode(), headers=FORM)


def fastest(attempts: int, email: str, password: str, person: Person) -> tuple[httpx.Response, float]:
    """Sign in several times; returns the answer and the shortest time."""
    best = 1e9
    for _ in range(attempts):
        client = browser(person.server)
        start = time.perf_counter()
        answer = client.post("/sign-in", data={"email": email, "password": password})
        best = min(best, time.perf_counter() - start)
    return answer, best


def test_an_impossible_password_does_not_reveal_whether_an_account_exists(alice: Person) -> None:
    for password in (*TOO_LONG, *UNTYPEABLE):
        known, for_known = fastest(5, alice.email, password, alice)
        unknown, for_unknown = fastest(5, "nobody@example.org", password, alice)
        assert known.status_code == unknown.status_code == 422
        assert known.text.replace(alice.email, "") == unknown.text.replace("nobody@example.org", "")
        # A hash takes longer than the rest of the request: either both answers cost a hash, or neither does.
        assert max(for_known, for_unknown) < 10 * min(for_known, for_unknown)


def test_an_impossible_password_is_refused_beside_its_field(alice: Person) -> None:
    for password in (*TOO_LONG, *UNTYPEABLE):
        stranger = browser(alice.server)
        fields = {"name": "Eve", "email": "eve@example.org", "password": password}
        assert 'id="password-help" class="field-error"' in stranger.post("/sign-up", data=fields).text
        new = alice.submit("/profile/password", {"current_password": PASSWORD, "password": password})
        assert new.status_code == 422
        assert 'id="password-help" class="field-error"' in new.text
        current = alice.submit("/profile/password", {"current_password": password, "password": "another fine password"})
        assert current.status_code == 422
        assert 'id="current_password-help" class="field-error"' in current.text
        email = alice.submit("/profile/email", {"email": "new@example.org", "email_password": password})
        assert email.status_code == 422
        assert 'id="email_password-help" class="field-error"' in email.text
        assert 'value="new@example.org"' in email.text
        assert [row["email"] for row in query(alice.server.database_url, "SELECT email FROM users")] == [alice.email]


def test_an_address_too_long_to_store_is_refused(alice: Person) -> None:
    for email in ["a%00b@x.org", "%00", "a%C2%85b@x.org", "a%E2%80%AEb@x.org", "%EF%BB%BFa@x.org"]:
        stranger = Person("Eve", "", browser(alice.server), alice.server)
        password = quote_plus(PASSWORD)
        assert send_raw(stranger, "/sign-in", f"email={email}&password={password}").status_code == 422
        signed_up = send_raw(stranger, "/sign-up", f"name=Eve&email={email}&password={password}")
        changed = send_raw(alice, "/profile/email", f"email={email}&email_password={password}")
        for answer in (signed_up, changed):
            assert answer.status_code == 422
            assert "such as name@example.org" in answer.text
        assert len(query(alice.server.database_url, "SELECT id FROM users")) == 1


def test_a_hostile_current_url_header_does_not_break_the_sidebar(alice: Person) -> None:
    for address in ["http://[", "//[::1", "http://[::1]evil/", "http://]", "\\", "\xff", "http://a:x/"]:
        answer = alice.client.get("/sidebar", headers={b"HX-Current-URL": address.encode("latin-1")})
        assert answer.status_code == 200
        assert "Lobby" in answer.text


def test_an_invalid_status_is_refused_and_stays_in_its_field(alice: Person) -> None:
    for typed in [{"emoji": ":nonsense:"}, {"emoji": "x"}, {"emoji": "\0"}, {"text": "x" * 81}, {"until": "never"}]:
        answer = alice.submit("/status", typed)
        assert answer.status_code == 422
        assert "field-error" in answer.text
        assert alice.submit("/status", {"usual": "99"}).status_code == 303, "no emoji and no words are no status"


def test_a_malformed_cookie_signs_no_visitor_in(alice: Person) -> None:
    for cookie in ['"\\000"', "x" * 9000, "a.b.c", "\xff", "W10.e30.aa", "eyJhbGciOiJub25lIn0.e30."]:
        for name in ("simplechat-access", "simplechat-refresh"):
            with httpx.Client(base_url=alice.server.url) as client:
                answer = client.get("/profile", headers={b"Cookie": f"{name}={cookie}".encode("latin-1")})
            assert answer.headers["location"] == "/sign-in?next=%2Fprofile"


def test_an_error_in_the_log_shows_no_form_values_and_no_hash(alice: Person) -> None:
    database, server = alice.server.database_url, alice.server
    query(database, "UPDATE users SET name = '' RETURNING 1")
    query(database, "ALTER TABLE users ADD CONSTRAINT nameless CHECK (name = '')")
    assert alice.submit("/profile/name", {"name": "Somebody Particular"}).status_code == 500
    server.until_logged("IntegrityError")
    for secret in ("argon2id", alice.email, "Somebody Particular"):
        assert secret not in server.log
