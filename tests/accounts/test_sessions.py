"""Sessions: how they end and are deleted."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import asyncpg
import httpx
from websockets.sync.client import ClientConnection, connect

from tests.support.databases import execute, query, run
from tests.support.people import PASSWORD, Person, browser, first_run, sign_in, sign_up
from tests.support.server import ChatServer


def is_in(person: Person) -> bool:
    return person.client.get("/profile").status_code == 200


def socket_of(person: Person, **cookies: str) -> ClientConnection:
    """A page's connection with these cookies, or with the person's own."""
    chosen = cookies or dict(person.client.cookies)
    header = "; ".join(f"{name.replace('_', '-')}={value}" for name, value in chosen.items())
    address = person.server.url.replace("http", "ws") + "/live"
    return connect(address, origin=person.server.origin, additional_headers={"Cookie": header})


def hears_that_the_session_has_ended(socket: ClientConnection) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if "signed out" in str(socket.recv(timeout=20)):
            return True
    return False


def stays_connected(socket: ClientConnection) -> bool:
    """Return whether the page stays connected for two seconds."""
    with suppress(TimeoutError):
        while "signed out" not in str(socket.recv(timeout=2)):
            pass
        return False
    return True


def ages(person: Person, column: str, interval: str) -> None:
    """Move a time of all sessions back."""
    run(execute(person.server.database_url, f"UPDATE sessions SET {column} = {column} - interval '{interval}'"))


def test_a_new_address_or_password_needs_the_old_and_ends_other_sessions(alice: Person) -> None:
    changes = [
        ("email", {"email": "new@example.org", "email_password": PASSWORD}, "email_password"),
        ("password", {"password": "another fine password", "current_password": PASSWORD}, "current_password"),
    ]
    for what, fields, field in changes:
        other, bob = sign_in(alice.server, alice), sign_up(alice.server, f"Bob {what}")
        with socket_of(other) as page:
            for wrong in ("", "wrong", "x" * 5000):
                assert alice.submit(f"/profile/{what}", {**fields, field: wrong}).status_code == 422
            assert is_in(other)
            assert alice.submit(f"/profile/{what}", fields).status_code == 303
            assert hears_that_the_session_has_ended(page)
        assert not is_in(other)
        assert is_in(alice)
        assert is_in(bob)
        alice.email = "new@example.org"
        alice.server.until_logged(f"{what}_changed")


def test_the_first_of_two_simultaneous_password_changes_wins(alice: Person) -> None:
    """A thief who knows the old password cannot undo the owner's change with a simultaneous request."""
    browsers = [alice, sign_in(alice.server, alice)]
    passwords = ["another fine password", "yet another fine password"]

    def change(place: int) -> httpx.Response:
        fields = {"password": passwords[place], "current_password": PASSWORD}
        return browsers[place].submit("/profile/password", fields)

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(change, (0, 1)))
    changed = [place for place, answer in enumerate(answers) if "saved" in answer.headers.get("location", "")]
    assert len(changed) == 1
    assert is_in(browsers[changed[0]])
    assert not is_in(browsers[1 - changed[0]])


def test_signing_in_again_ends_this_browsers_old_session_and_its_pages(alice: Person) -> None:
    bob, other = sign_up(alice.server, "Bob Brown"), sign_in(alice.server, alice)
    for name, address in (("herself", alice.email), ("somebody else", bob.email)):
        before = dict(alice.client.cookies)
        with socket_of(alice) as page:
            assert alice.submit("/sign-in", {"email": address, "password": "wrong"}).status_code == 422
            assert is_in(alice), f"a mistake ends nothing: {name}"
            assert alice.submit("/sign-in", {"email": address, "password": PASSWORD}).status_code == 303
            assert hears_that_the_session_has_ended(page)
        earlier = browser(alice.server)
        earlier.cookies.update(before)
        assert earlier.get("/profile").status_code == 303
        assert is_in(alice)
    assert is_in(other), "sessions of other browsers go on"
    assert is_in(bob)


def test_signing_up_on_a_signed_in_browser_ends_its_old_session(alice: Person) -> None:
    before = dict(alice.client.cookies)
    fields = {"name": "Dora", "email": "dora@example.org", "password": PASSWORD}
    assert alice.submit("/sign-up", fields).status_code == 303
    earlier = browser(alice.server)
    earlier.cookies.update(before)
    assert earlier.get("/profile").status_code == 303
    assert "Dora" in alice.get("/profile").text


def test_a_session_in_use_ends_some_days_after_its_sign_in(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, SESSION_DAYS="40")
    alice = first_run(server)
    for _ in range(3):
        for column in ("created_at", "expires_at", "refreshed_at"):
            ages(alice, column, "13 days")
        del alice.client.cookies["simplechat-access"]
        assert is_in(alice)
    row = query(database_url, "SELECT expires_at - created_at AS lifetime FROM sessions")[0]
    assert row["lifetime"].days == 40
    ages(alice, "created_at", "25 hours")
    del alice.client.cookies["simplechat-access"]
    assert not is_in(alice), "even where the row says that it lasts longer"


def test_a_session_ends_after_ninety_days_by_default(alice: Person) -> None:
    ages(alice, "created_at", "89 days")
    del alice.client.cookies["simplechat-access"]
    assert is_in(alice)
    ages(alice, "created_at", "1 day")
    del alice.client.cookies["simplechat-access"]
    assert not is_in(alice)


def test_a_replaced_refresh_token_opens_a_connection_for_a_minute_only(alice: Person) -> None:
    replaced = alice.client.cookies["simplechat-refresh"]
    del alice.client.cookies["simplechat-access"]
    assert is_in(alice)
    current = alice.client.cookies["simplechat-refresh"]
    assert current != replaced
    with socket_of(alice, simplechat_refresh=replaced) as page:
        assert stays_connected(page)
    ages(alice, "refreshed_at", "61 seconds")
    with socket_of(alice, simplechat_refresh=replaced) as page:
        assert hears_that_the_session_has_ended(page)
    with socket_of(alice, simplechat_refresh=current) as page:
        assert stays_connected(page)


def test_only_sessions_that_ended_long_ago_are_deleted(alice: Person) -> None:
    server, database = alice.server, alice.server.database_url
    for name, values in (
        ("signed out long ago", "now() - interval '31 days', now() + interval '9 days'"),
        ("signed out lately", "now() - interval '29 days', now() + interval '9 days'"),
        ("unused for long", "NULL, now() - interval '31 days'"),
        ("unused lately", "NULL, now() - interval '29 days'"),
    ):
        insert = f"""INSERT INTO sessions (user_id, refresh_hash, user_agent, revoked_at, expires_at)
            SELECT 1, '', '{name}', {values} FROM generate_series(1, 1200)"""
        run(execute(database, insert))
    server.restart()
    deadline = time.monotonic() + 30
    while query(database, "SELECT 1 FROM sessions WHERE user_agent LIKE '%long%'"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    kept = query(database, "SELECT user_agent, count(*) FROM sessions WHERE user_agent LIKE '%lately' GROUP BY 1")
    assert {row[0]: row[1] for row in kept} == {"signed out lately": 1200, "unused lately": 1200}
    assert is_in(alice)


def test_a_password_change_during_a_sign_in_stops_the_sign_in(alice: Person) -> None:
    database, other = alice.server.database_url, browser(alice.server)
    waits = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )

    async def overtake() -> httpx.Response:
        connection = await asyncpg.connect(database)
        async with connection.transaction():
            await connection.execute("UPDATE users SET password_hash = 'another'")
            sign_in = asyncio.create_task(
                asyncio.to_thread(other.post, "/sign-in", data={"email": alice.email, "password": PASSWORD})
            )
            while not sign_in.done() and not await connection.fetchval(waits):
                await asyncio.sleep(0.05)
        await connection.close()
        return await sign_in

    assert run(overtake()).status_code == 422
    assert query(database, "SELECT count(*) FROM sessions")[0][0] == 1
