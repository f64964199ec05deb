"""A post asks for every right itself, though its session is not looked up before."""

from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from chat.settings import Settings
from chat.state import create_chat
from chat.web.errors import on_database_error
from chat.web.middleware.session import SessionMiddleware
from tests.support.databases import execute, run
from tests.support.people import Person
from tests.support.server import SECRET_KEY

ENDINGS = [
    "UPDATE sessions SET revoked_at = now()",
    "UPDATE sessions SET expires_at = now() - interval '1 second'",
    "DELETE FROM sessions",
]


def signed_out(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.headers.get("HX-Refresh"), answer.text) == (204, "true", "")


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_posted_with_a_session_that_has_ended(alice: Person, bob: Person, ending: str) -> None:
    repeated = str(uuid4())
    for person in (alice, bob):
        person.post(1, f"{person.name} was here", repeated)
    run(execute(alice.server.database_url, f"{ending} WHERE user_id = {alice.id}"))
    forms: list[dict[str, str]] = [
        {"body": "one more"},
        {"body": "Alice was here", "client_id": repeated},
        {"body": "hello @Bob"},
        {"body": "/shrug"},
        {"body": "see https://example.org"},
        {"body": "", "client_id": str(uuid4())},
        {"body": "an answer", "reply_to": "1"},
    ]
    for fields in forms[:5]:
        assert signed_out(alice.submit("/rooms/1/messages", fields, htmx=True)), fields
    assert "was here" not in alice.submit("/rooms/1/messages", forms[5], htmx=True).text
    assert signed_out(alice.submit("/rooms/1/messages", forms[6], htmx=True))
    bob.post(1, "still here")
    assert bob.reads(1) == [f"{alice.name} was here", f"{bob.name} was here", "still here"]


@pytest.mark.parametrize(
    ("loss", "status"),
    [
        ("DELETE FROM memberships WHERE user_id = 2", 404),
        ("UPDATE rooms SET archived_at = now()", 422),
        ("UPDATE rooms SET posting = 'managers'", 422),
        ("UPDATE rooms SET slow_seconds = 600; UPDATE memberships SET posted_at = now()", 429),
    ],
)
def test_a_right_that_is_gone_is_gone_at_the_next_post(alice: Person, bob: Person, loss: str, status: int) -> None:
    assert bob.post(1, "first").status_code == 200
    for statement in loss.split("; "):
        run(execute(alice.server.database_url, statement))
    assert bob.post(1, "second").status_code == status
    assert bob.submit("/rooms/1/messages", {"body": "third"}, htmx=True).status_code == status


def test_an_administrator_who_is_none_any_more_posts_no_longer_where_only_managers_may(alice: Person) -> None:
    run(execute(alice.server.database_url, "UPDATE rooms SET posting = 'managers'"))
    run(execute(alice.server.database_url, "UPDATE memberships SET role = 'member'"))
    assert alice.post(1, "first").status_code == 200
    run(execute(alice.server.database_url, "UPDATE users SET role = 'member'"))
    assert alice.post(1, "second").status_code == 422


def test_a_person_is_shown_by_the_name_that_they_have_when_they_post(alice: Person) -> None:
    alice.post(1, "as Alice")
    run(execute(alice.server.database_url, f"UPDATE users SET name = 'Alma' WHERE id = {alice.id}"))
    assert ">Alma</a>" in alice.post(1, "as Alma").text


@pytest.mark.anyio
async def test_only_pages_of_rooms_and_the_posts_of_open_pages_wait_with_the_look_up(alice: Person) -> None:
    chat = create_chat(Settings.from_environment({"DATABASE_URL": alice.server.database_url, "SECRET_KEY": SECRET_KEY}))
    seen: list[tuple[str | None, bool]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        waits = state["look_up"] is not None
        if waits:
            await state["look_up"]()
            assert state["look_up"] is None
        seen.append((state["visitor"] and state["visitor"].name, waits))

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    middleware = SessionMiddleware(app, chat, now=lambda: datetime.now(UTC), unavailable=on_database_error)
    token = alice.client.cookies["simplechat-access"]
    headers = [(b"cookie", f"simplechat-access={token}".encode()), (b"hx-request", b"true")]
    form = (b"content-type", b"application/x-www-form-urlencoded;charset=UTF-8")
    files = (b"content-type", b"multipart/form-data; boundary=x")
    post = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/rooms/1/messages",
        "headers": [*headers, form],
    }
    page = {**post, "method": "GET", "path": "/rooms/1"}
    others = (
        {**post, "method": "GET"},
        {**page, "path": "/rooms"},
        {**page, "path": "/rooms/1/settings"},
        {**page, "method": "POST"},
        {**post, "path": "/rooms/1/messages/2"},
        {**post, "path": "/rooms/1/leave"},
        {**post, "headers": [*headers[:1], form]},
        {**post, "headers": [*headers, files]},
    )
    try:
        async with chat.broker:
            for scope in (post, post, page, *others):
                await middleware(dict(scope), receive, send)
            await execute(alice.server.database_url, "UPDATE sessions SET revoked_at = now()")
            await middleware(dict(post), receive, send)
    finally:
        await chat.database.dispose()
    assert seen == [(alice.name, False), *[(alice.name, True)] * 2, *[(alice.name, False)] * len(others), (None, True)]
