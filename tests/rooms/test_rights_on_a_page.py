"""A room's page asks for the session itself, though its visitor is known from the session's last request."""

import time

import pytest

from tests.support.databases import execute, query, run
from tests.support.people import Person, bodies

ENDINGS = [
    "UPDATE sessions SET revoked_at = now()",
    "UPDATE sessions SET expires_at = now() - interval '1 second'",
    "DELETE FROM sessions",
]
PART = {"X-Part": "main"}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("headers", [{}, PART])
def test_no_page_of_a_room_is_shown_with_a_session_that_has_ended(
    alice: Person, bob: Person, ending: str, headers: dict[str, str]
) -> None:
    alice.post(1, "the wifi")
    secret = alice.create_room("Secret", "closed")
    for room_id in (1, secret):
        assert alice.get(f"/rooms/{room_id}", **headers).status_code == 200
    run(execute(alice.server.database_url, f"{ending} WHERE user_id = {alice.id}"))
    for room_id in (1, secret, 999):
        answer = alice.client.get(f"/rooms/{room_id}", headers=headers)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")
        assert "wifi" not in answer.text
    assert bodies(bob.get("/rooms/1", **headers).text) == ["the wifi"]


@pytest.mark.parametrize(
    ("loss", "status"),
    [
        ("DELETE FROM memberships WHERE user_id = 2", 404),
        ("DELETE FROM rooms WHERE id = 2", 404),
        ("UPDATE rooms SET archived_at = now()", 200),
    ],
)
@pytest.mark.parametrize("headers", [{}, PART])
def test_a_right_that_is_gone_is_gone_on_the_next_page(
    alice: Person, bob: Person, loss: str, status: int, headers: dict[str, str]
) -> None:
    room_id = alice.create_room("Kitchen", "closed")
    alice.submit(f"/rooms/{room_id}/members", {"person": str(bob.id)})
    alice.post(room_id, "soup")
    before = bob.get(f"/rooms/{room_id}", **headers)
    assert 'id="composer"' in before.text
    run(execute(alice.server.database_url, loss))
    after = bob.get(f"/rooms/{room_id}", **headers)
    assert after.status_code == status
    assert 'id="composer"' not in after.text
    assert ("soup" in after.text) == (status == 200)


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (
            "UPDATE users SET name = 'Alma'",
            '<span class="one-line">Alice Adams</span>',
            '<span class="one-line">Alma</s',
        ),
        ("UPDATE users SET role = 'member'", 'href="/admin"', ""),
        ("UPDATE users SET theme = 'dark'", "", 'data-theme="dark"'),
        (
            "UPDATE users SET time_zone = 'Asia/Tokyo', hours = 12",
            "",
            'data-time-zone="Asia/Tokyo" data-hour-cycle="h12"',
        ),
        (
            "UPDATE users SET rooms_by = 'activity'",
            "",
            '<ul class="rooms" data-by="activity">\n        <li><a href="/rooms/',
        ),
        ("UPDATE users SET unread_first = true", "", '<ul class="rooms unread-first">'),
        ("UPDATE users SET skin_tone = 3", "👍<", "👍🏽"),
        ("UPDATE users SET status_emoji = '🌴', status_text = 'away'", "Set a status", "🌴 away"),
        ("UPDATE installation SET name = 'Harbour'", "", "Lobby · Harbour"),
        ("UPDATE installation SET accent = '336699'", "", "&amp;c=336699"),
        ("UPDATE installation SET epoch = '00000000-0000-4000-8000-000000000000'", "", 'data-epoch="00000000-0000-4'),
    ],
)
def test_what_has_changed_of_the_visitor_and_the_chat_is_on_the_next_page(
    alice: Person, change: str, before: str, after: str
) -> None:
    first = [alice.get("/rooms/1").text for _ in range(2)][1]
    run(execute(alice.server.database_url, change))
    second = alice.get("/rooms/1").text
    for text, page, other in ((before, first, second), (after, second, first)):
        if text:
            assert text in page
            assert text not in other


def test_a_status_ends_though_nothing_is_written(alice: Person) -> None:
    url = alice.server.database_url
    ends = "status_until = now() + interval '4 seconds'"
    run(execute(url, f"UPDATE users SET status_emoji = '🍵', status_text = 'soon', {ends}"))
    assert "🍵 soon" in alice.get("/rooms/1").text
    while query(url, "SELECT FROM users WHERE status_until > now()"):
        time.sleep(0.1)
    assert "Set a status" in alice.get("/rooms/1").text
