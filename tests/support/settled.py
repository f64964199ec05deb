"""Databases of a chat that people have joined already.

Setting a chat up and signing two people up costs more CPU time than most tests: it is done once a run, and copied.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chat.accounts.tokens import Signer
from chat.ids import SessionId
from tests.support.databases import FOLDER, TEMPLATE, create_database, fresh_database, run, url_of
from tests.support.people import Person, browser, email_of, first_run, sign_up
from tests.support.server import SECRET_KEY, ChatServer, ForkedServer

# By fixture, in the order in which they sign up: their ids, and those of their sessions, are 1, 2 and 3.
PEOPLE = {"alice": "Alice Adams", "bob": "Bob Brown", "carol": "Carol Clark"}

Cookies = dict[str, str]

# The cookies of the people in each settled database, by its URL and their name.
_cookies: dict[str, dict[str, Cookies]] = {}


@contextmanager
def settled_database(fixtures: Collection[str]) -> Iterator[str]:
    """The URL of a new database that those of the people have joined whose fixtures a test asks for.

    Carol is among them only if Bob is.
    """
    count = next((index for index, fixture in enumerate(PEOPLE) if fixture not in fixtures), len(PEOPLE))
    cookies = dict(list(_settle().items())[:count]) if count else {}
    with fresh_database(_template(count)) as url:
        _cookies[url] = cookies
        yield url
        del _cookies[url]


def settled_person(server: ChatServer, name: str) -> Person | None:
    """Return a member signed in on a browser; None if they have not joined the chat yet."""
    cookies = _cookies.get(server.database_url, {}).get(name)
    if cookies is None:
        return None
    person = Person(name, email_of(name), browser(server), server)
    # The template may be older than an access token gets.
    session_id = SessionId(list(PEOPLE.values()).index(name) + 1)
    access = Signer(SECRET_KEY).access_token(session_id, datetime.now(UTC))
    for cookie, value in (cookies | {"simplechat-access": access}).items():
        person.client.cookies.set(cookie, value, "127.0.0.1")
    return person


@contextmanager
def settled_chat(*fixtures: str) -> Iterator[list[Person]]:
    """The people of a chat that several tests of a browser share, signed in; `fixtures` as in `settled_database`."""
    with pytest.MonkeyPatch.context() as monkeypatch, settled_database(fixtures) as url:
        monkeypatch.setattr(ForkedServer, "is_measured", False)
        server = ForkedServer(url)
        try:
            server.start()
            people = [settled_person(server, PEOPLE[fixture]) for fixture in fixtures]
            yield [person for person in people if person]
        finally:
            server.remove()


def _template(count: int) -> str:
    return f"settled_{count}" if count else TEMPLATE


def _settle() -> dict[str, Cookies]:
    """Make the templates, unless a worker has, and return everybody's cookies."""
    kept = Path(os.environ[FOLDER]) / "settled.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(_make_templates()))
    cookies: dict[str, Cookies] = json.loads(kept.read_text())
    return cookies


def _make_templates() -> dict[str, Cookies]:
    cookies = {}
    for count, name in enumerate(PEOPLE.values(), 1):
        run(create_database(_template(count), _template(count - 1)))
        server = ForkedServer(url_of(_template(count)))
        try:
            server.start()
            person = first_run(server, name) if count == 1 else sign_up(server, name)
            cookies[name] = dict(person.client.cookies)
            # A template may have no connections.
            server.stop()
        finally:
            server.remove()
    return cookies
