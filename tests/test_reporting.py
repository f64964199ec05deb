"""Errors are reported to a Sentry, without anything that people wrote."""

import gzip
import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.collector import Collector
from tests.support.people import PASSWORD, Person, first_run
from tests.support.server import SECRET_KEY, ChatServer, run_chat
from tests.support.tables import tables_of

BROKEN = """
    CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / 0; RETURN NEW; END $$;
    CREATE TRIGGER broken BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION broken()
"""

Report = dict[str, object]


def reports_in(path: str, body: bytes) -> list[Report]:
    """The reports in an envelope."""
    assert path == "/api/7/envelope/"
    lines = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).splitlines()
    items = zip(lines[1::2], lines[2::2], strict=True)
    return [json.loads(payload) for head, payload in items if json.loads(head)["type"] == "event"]


@pytest.fixture
def sentry() -> Iterator[Collector[Report]]:
    """A program that takes reports."""
    collector = Collector(reports_in)
    yield collector
    collector.close()


def posting_fails(alice: Person, url: str) -> str:
    """Let Alice post a message that the database refuses; returns the id of her request."""
    with tables_of(url) as tables:
        tables.execute(BROKEN)
    answer = alice.post(1, "a secret message for @Alice Adams")
    assert answer.status_code == 500
    return answer.headers["x-request-id"]


def test_an_error_is_reported_with_its_place_and_request_and_nothing_that_people_wrote(
    start_server: Callable[..., ChatServer], database_url: str, sentry: Collector[Report]
) -> None:
    server = start_server(database_url, SENTRY_DSN=f"http://key@127.0.0.1:{sentry.port}/7", SENTRY_ENVIRONMENT="school")
    alice = first_run(server)
    request_id = posting_fails(alice, database_url)
    report = sentry.until(lambda found: any(each["tags"] == {"request_id": request_id} for each in found))[-1]
    assert report["environment"] == "school"
    assert str(report["release"]).startswith("simplechat@")
    text = json.dumps(report)
    for place in ("DivisionByZeroError", "chat/messages/post.py", "_commit"):
        assert place in text
    sent = b"".join(gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in sentry.bodies).decode()
    cookies = [value for _, value in alice.client.cookies.items()]
    for personal in ("secret message", "Alice Adams", "alice.adams", PASSWORD, SECRET_KEY, "127.0.0.1", *cookies):
        assert personal not in sent
    for name in (
        "vars",
        "abs_path",
        "server_name",
        "cookies",
        "user",
        "request",
        "value",
        "params",
        "breadcrumbs",
        "extra",
    ):
        assert f'"{name}":' not in sent
    # The log has all of it.
    server.until_logged("division by zero")
    assert server.stop() == 0


def test_a_sentry_that_is_away_holds_up_neither_requests_nor_the_shutdown(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, SENTRY_DSN="http://key@127.0.0.1:9/7")
    alice = first_run(server)
    posting_fails(alice, database_url)
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert server.stop() == 0


def test_a_missing_library_ends_the_start_with_a_single_clear_line(database_url: str) -> None:
    server = ChatServer(database_url, SENTRY_DSN="http://key@127.0.0.1:9/7")
    server.command = ["-c", "import sys; sys.modules['sentry_sdk'] = None; from chat.__main__ import main; main([])"]
    try:
        with pytest.raises(AssertionError, match="did not start"):
            server.start()
        assert server.log.count("\n") == 1
        assert "SENTRY_DSN is set, but its library is not installed. Run: pip install '.[sentry]'" in server.log
    finally:
        server.remove()


@pytest.mark.parametrize("dsn", ["nonsense", "https://sentry.example.org/1", "https://key@sentry.example.org/x"])
def test_a_wrong_address_ends_the_start_with_a_line_that_names_it(dsn: str) -> None:
    environment = {"DATABASE_URL": "postgresql://nobody@localhost/no", "SECRET_KEY": SECRET_KEY, "SENTRY_DSN": dsn}
    done = run_chat("serve", environment=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("simplechat: SENTRY_DSN must be the address of a project")
