"""Changes made elsewhere reach open pages, also on another process."""

import asyncio
import re
from collections.abc import Callable

import pytest

from tests.support.databases import execute, run
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

ACTS = {
    "opening a room shows on the maker's other pages": (
        lambda alice, _bob: alice.submit("/rooms", {"name": "Kitchen", "kind": "closed"}),
        "alice",
        "<chat-sidebar>",
    ),
    "opening a room shows where people look for rooms": (
        lambda alice, _bob: alice.submit("/rooms", {"name": "Kitchen", "kind": "open"}),
        "bob",
        '<chat-pages data-paths="/rooms">',
    ),
    "renaming a room shows where people look for rooms": (
        lambda alice, _bob: alice.submit("/rooms/1/settings", {"name": "Hall"}),
        "bob",
        '<chat-pages data-paths="/rooms">',
    ),
    "a new name shows wherever the old one stood": (
        lambda alice, _bob: alice.submit("/profile/name", {"name": 'Alicia "Al" <b>'}),
        "bob",
        'data-person="1" data-name="Alicia &#34;Al&#34; &lt;b&gt;" data-initials="',
    ),
    "a new name shows in the list of direct conversations": (
        lambda alice, _bob: alice.submit("/profile/name", {"name": "Alicia"}),
        "bob",
        "<chat-sidebar>",
    ),
    "a new name shows in the list of who is online": (
        lambda alice, _bob: alice.submit("/profile/name", {"name": "Alicia"}),
        "bob in the room",
        '<span class="one-line">Alicia</span>',
    ),
    "a theme shows on one's other pages": (
        lambda alice, _bob: alice.submit("/profile/theme", {"theme": "dark"}),
        "alice",
        '<chat-preferences data-theme="dark">',
    ),
    "a time zone and a clock show on one's other pages": (
        lambda alice, _bob: alice.submit("/profile/times", {"time_zone": "Asia/Tokyo", "hours": "12"}),
        "alice",
        '<chat-preferences data-time-zone="Asia/Tokyo" data-hour-cycle="h12">',
    ),
    "a new member shows in the list of people": (
        lambda alice, _bob: sign_up(alice.server, "Carol Clark"),
        "bob",
        '<chat-pages data-paths="/people">',
    ),
    "a new owner shows in the list of members": (
        lambda alice, _bob: alice.submit("/rooms/1/members/2/owner"),
        "bob",
        '<chat-pages data-paths="/rooms/1/members /rooms/1/settings">',
    ),
    "a direct conversation shows on the other person's pages": (
        lambda alice, bob: alice.open_direct(bob),
        "bob",
        "<chat-sidebar>",
    ),
    "who may sign up shows on another administrator's page": (
        lambda alice, _bob: alice.submit("/admin/sign-up", {"open": "no"}),
        "alice",
        '<chat-pages data-paths="/admin /admin/invites">',
    ),
    "a room's link shows to those who manage the room": (
        lambda alice, _bob: alice.submit("/rooms/1/invite", {"days": "7", "uses": "5"}),
        "alice",
        '<chat-pages data-paths="/rooms/1/invite">',
    ),
    "a room's link that ends shows to those who manage the room": (
        lambda alice, _bob: alice.submit("/rooms/1/invite/end"),
        "alice",
        '<chat-pages data-paths="/rooms/1/invite">',
    ),
    "a room's link that a removal renews shows to those who manage the room": (
        lambda alice, _bob: alice.submit("/rooms/1/members/2/remove"),
        "alice",
        '<chat-pages data-paths="/rooms/1/invite">',
    ),
    "a room's link that is used shows to those who manage the room": (
        lambda alice, bob: (
            bob.submit("/rooms/1/leave"),
            bob.submit(re.findall(r"/join/[\w-]+", alice.get("/rooms/1/invite").text)[0]),
        ),
        "alice",
        '<chat-pages data-paths="/rooms/1/invite">',
    ),
    "a room's link that brings in a stranger shows in the list of links": (
        lambda alice, _bob: sign_up(
            alice.server, "Carol Clark", re.findall(r"/join/([\w-]+)", alice.get("/rooms/1/invite").text)[0]
        ),
        "alice",
        '<chat-pages data-paths="/admin /admin/invites">',
    ),
    "a room's link shows in the list of links": (
        lambda alice, _bob: alice.submit("/rooms/1/invite", {"days": "7", "uses": "5"}),
        "alice",
        '<chat-pages data-paths="/admin /admin/invites">',
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_page_on_another_process_shows_the_new_name(
    act: str, start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    first, second = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(first)
    bob = sign_up(first, "Bob Brown")
    if "direct conversations" in act:
        alice.open_direct(bob)
    if "link that" in act:
        alice.submit("/rooms/1/invite", {"days": "7", "uses": "5"})
    do, reader, expected = ACTS[act]
    person = {"alice": alice, "bob": bob}[reader.split()[0]]
    room_id = 1 if "room" in reader else None

    async def look() -> None:
        async with LiveClient(alice, None), LiveClient(person, room_id, urls=[second.url]) as page:
            if room_id:
                await page.until(lambda: any("Alice Adams</span>" in frame for frame in page.frames), 20)
            seen = len(page.frames)
            await page.until(lambda: len(page.frames) >= seen)
            await asyncio.to_thread(do, alice, bob)
            await page.until(lambda: any(expected in frame for frame in page.frames[seen:]), 20)

    run(look())


def test_changes_of_a_closed_room_reach_only_its_members(alice: Person, bob: Person) -> None:
    closed = alice.create_room("Staff", "closed")

    async def look() -> list[str]:
        carol = await asyncio.to_thread(sign_up, alice.server, "Carol Clark")
        async with LiveClient(bob, None) as his, LiveClient(alice, None) as hers:
            await asyncio.to_thread(alice.submit, f"/rooms/{closed}/members", {"person": str(carol.id)})
            await hers.until(lambda: any(f"/rooms/{closed}/members" in frame for frame in hers.frames), 20)
            return his.frames

    assert not any(f"/rooms/{closed}" in frame for frame in run(look()))


def test_members_of_a_large_room_are_told_of_a_new_owner(alice: Person, bob: Person) -> None:
    url = alice.server.database_url
    people = "SELECT 'Pupil ' || n, 'pupil' || n || '@example.org', '', 'member' FROM generate_series(1, 501) AS n"
    pupils = "SELECT 1, id, 'member' FROM users WHERE name LIKE 'Pupil %'"

    async def look() -> None:
        await execute(url, f"INSERT INTO users (name, email, password_hash, role) {people}")
        await execute(url, f"INSERT INTO memberships (room_id, user_id, role) {pupils}")
        async with LiveClient(bob, None) as page:
            # The process has learned which rooms Bob is in once his page hears of a message there.
            await asyncio.to_thread(alice.post, 1, "hello")
            await page.until(lambda: any('<chat-activity data-room="1"' in frame for frame in page.frames), 20)
            seen = len(page.frames)
            await asyncio.to_thread(alice.submit, f"/rooms/1/members/{bob.id}/owner")
            await page.until(lambda: any('data-paths="/rooms/1/members' in frame for frame in page.frames[seen:]), 20)

    run(look())
