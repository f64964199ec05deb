"""People who use the chat through its public door, as a browser without JavaScript would."""

import html
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

import httpx

from tests.support.server import SETUP_CODE, TLS, ChatServer

PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """A member signed in on a browser."""

    name: str
    email: str
    client: httpx.Client
    server: ChatServer

    @property
    def id(self) -> int:
        """The id of the member, read from their own style sheet."""
        return int(re.findall(r'data-author="(\d+)"', self.get("/me.css").text)[0])

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page, following redirects."""
        return self.client.get(path, headers=headers, follow_redirects=True)

    def submit(self, path: str, fields: Mapping[str, object] | None = None, *, htmx: bool = False) -> httpx.Response:
        """Send a form and return the first answer."""
        return self.client.post(path, data=fields or {}, headers={"HX-Request": "true"} if htmx else {})

    def create_room(self, name: str, kind: str = "open") -> int:
        """Open a room and return its number."""
        return room_in(self.submit("/rooms", {"name": name, "kind": kind}))

    def join(self, room_id: int) -> httpx.Response:
        return self.submit(f"/rooms/{room_id}/join")

    def open_direct(self, *people: "Person") -> int:
        """Open the direct room with these people and return its number."""
        return room_in(self.submit("/direct", {"person": [str(person.id) for person in people]}))

    def post(self, room_id: int, body: str, client_id: str | None = None) -> httpx.Response:
        """Post a message the way htmx does."""
        fields = {"body": body, "client_id": client_id or str(uuid4())}
        return self.submit(f"/rooms/{room_id}/messages", fields, htmx=True)

    def edit(self, message_id: int, body: str) -> httpx.Response:
        """Change a message the way htmx does."""
        return self.submit(f"/messages/{message_id}/edit", {"body": body}, htmx=True)

    def delete(self, message_id: int) -> httpx.Response:
        """Delete a message the way htmx does."""
        return self.submit(f"/messages/{message_id}/delete", htmx=True)

    def reads(self, room_id: int, query: str = "") -> list[str]:
        """The bodies of the messages on a room's page, oldest first, as text."""
        return bodies(self.get(f"/rooms/{room_id}{query}").text)


def browser(server: ChatServer) -> httpx.Client:
    """A client that says, as browsers do, where its requests come from."""
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin", "User-Agent": "a test's browser"}
    # The server closes a connection that is idle for five seconds: it must not happen while a request is in flight.
    limits = httpx.Limits(keepalive_expiry=1)
    return server.closes(httpx.Client(base_url=server.url, headers=headers, timeout=30, limits=limits, verify=TLS))


def first_run(server: ChatServer, name: str = "Alice Adams", code: str = SETUP_CODE) -> Person:
    """Set the chat up as its first administrator."""
    person = Person(name, email_of(name), browser(server), server)
    answer = person.submit(
        "/first-run",
        {
            "code": code,
            "installation_name": "Willow Street School",
            "room_name": "Lobby",
            "name": name,
            "email": person.email,
            "password": PASSWORD,
        },
    )
    assert answer.status_code == 303, answer.text
    return person


def sign_up(server: ChatServer, name: str, invite: str = "") -> Person:
    """Sign a newcomer up, which signs them in."""
    person = Person(name, email_of(name), browser(server), server)
    fields = {"name": name, "email": person.email, "password": PASSWORD, "invite": invite}
    answer = person.submit("/sign-up", fields)
    assert answer.status_code == 303, answer.text
    return person


def sign_in(server: ChatServer, person: Person) -> Person:
    """The same person on another browser."""
    again = Person(person.name, person.email, browser(server), server)
    answer = again.submit("/sign-in", {"email": person.email, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return again


def be_too_fast(person: Person) -> httpx.Response:
    """Post until a refusal lasts for some more seconds, and return it."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        answer = person.post(1, "quick")
        if answer.status_code != 429:
            continue
        seconds = int(answer.headers["Retry-After"])
        if seconds >= 5:
            return answer
        # A refusal that is about to end is hard to see.
        time.sleep(seconds)
    raise AssertionError("posting is never refused")


def email_of(name: str) -> str:
    """The address a person of this name uses here."""
    return f"{name.lower().replace(' ', '.')}@example.org"


def bodies(page: str) -> list[str]:
    """The bodies of the messages in markup, in order, as text."""
    found = re.findall(r'<div class="body"[^>]*>(.*?)</div>', page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", body)) for body in found]


def room_in(answer: httpx.Response) -> int:
    """The room that an answer redirects to."""
    assert answer.status_code == 303, answer.text
    return int(re.findall(r"/rooms/(\d+)", answer.headers["location"])[0])
