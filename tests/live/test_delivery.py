"""Order and completeness over real sockets, several processes and a Redis that may die."""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_in, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

pytestmark = pytest.mark.anyio


async def test_twenty_readers_on_two_processes_get_a_thousand_messages_in_order(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    authors = [alice, *(sign_up(one if number % 2 else two, f"Person {number}") for number in range(7))]
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(LiveClient(authors[number % 8], 1, urls=[(one, two)[number % 2].url]))
            for number in range(20)
        ]

        def write(author: Person, number: int) -> None:
            for count in range(125):
                assert author.post(1, f"{number}-{count}").status_code == 200

        await asyncio.gather(*(asyncio.to_thread(write, author, number) for number, author in enumerate(authors)))
        for reader in readers:
            await reader.until_sees(1000, within=20)
        expected = readers[0].texts()
        for reader in readers:
            assert reader.texts() == expected
            assert reader.inserted == sorted(reader.inserted), "in order"
            assert len(reader.inserted) == len(set(reader.inserted)) == 1000, "each exactly once"
            assert reader.connections == 1
    for number in range(8):
        mine = [text for text in expected if text.startswith(f"{number}-")]
        assert mine == [f"{number}-{count}" for count in range(125)], "an author's messages keep their order"


async def seconds_until_read(author: Person, reader: LiveClient, words: str) -> list[float]:
    """Return how long each of several messages, posted in turn, takes to reach a reader.

    It leaves out the first, which may come right before its reader's process compares the room with the database, and
    so finds a message without a hint. Without hints, each of the others comes right after such a comparison.
    """
    taken = []
    for number in range(6):
        started = time.monotonic()
        assert (await asyncio.to_thread(author.post, 1, f"{words} {number}")).status_code == 200
        await reader.until_shows(f"{words} {number}")
        taken.append(time.monotonic() - started)
    return taken[1:]


async def test_a_message_posted_to_a_process_is_read_on_another(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    bob = sign_up(two, "Bob Brown")
    async with LiveClient(bob, 1) as his, LiveClient(alice, 1) as hers:
        assert min(await seconds_until_read(alice, his, "across")) < 0.5
        assert min(await seconds_until_read(bob, hers, "and back")) < 0.5


async def test_with_redis_dead_messages_still_cross_processes_within_two_seconds(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    bob = sign_up(two, "Bob Brown")
    async with LiveClient(bob, 1) as his:
        redis_server.kill()
        assert min(await seconds_until_read(alice, his, "without redis")) < 2
        redis_server.start()
        await asyncio.sleep(2)
        assert min(await seconds_until_read(alice, his, "with redis")) < 0.5
        assert his.inserted == sorted(set(his.inserted))


async def test_a_returning_reader_gets_missed_messages_once(alice: Person) -> None:
    async with LiveClient(alice, 1) as reader:
        for number in range(5):
            await asyncio.to_thread(alice.post, 1, f"message {number}")
        await reader.until_shows("message 4")
        reader.abort()
        for number in range(5, 200):
            await asyncio.to_thread(alice.post, 1, f"message {number}")
        await reader.until_shows("message 199")
        assert reader.connections == 2
        assert reader.texts() == [f"message {number}" for number in range(200)]
        assert len(reader.inserted) == len(set(reader.inserted))


async def test_a_reader_of_another_epoch_or_too_far_behind_is_told_to_reload(alice: Person) -> None:
    for number in range(510):
        await asyncio.to_thread(alice.post, 1, f"message {number}")
    for after, epoch in ((0, None), (505, "00000000-0000-0000-0000-000000000000"), (900, None)):
        client = LiveClient(alice, 1)
        await client.load()
        client.after, client.epoch = after, epoch or client.epoch
        client.load = _already_loaded  # type: ignore[method-assign]  # this page stays as it is
        async with client:
            await client.until(partial(is_told_to_reload, client))


def is_told_to_reload(client: LiveClient) -> bool:
    return any("/reload" in frame for frame in client.frames)


async def _already_loaded() -> None:
    """The page was loaded before."""


async def test_signing_out_closes_only_that_sessions_sockets_on_every_process(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    elsewhere = sign_in(one, alice)
    async with (
        LiveClient(alice, 1) as here,
        LiveClient(alice, 1, urls=[two.url]) as there,
        LiveClient(elsewhere, 1) as other,
    ):
        await asyncio.to_thread(alice.submit, "/sign-out")
        await here.until(lambda: here.closed_with == 4401)
        await there.until(lambda: there.closed_with == 4401)
        assert "You are signed out" in there.frames[-1]
        await asyncio.to_thread(elsewhere.post, 1, "still here")
        await other.until_shows("still here")
        assert other.connections == 1


async def test_a_member_removed_on_another_process_sees_the_room_close(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    bob, carol = sign_up(two, "Bob Brown"), sign_up(two, "Carol Clark")
    async with LiveClient(alice, 1) as here, LiveClient(bob, 1) as his, LiveClient(carol, 1) as hers:
        await asyncio.to_thread(alice.submit, f"/rooms/1/members/{bob.id}/remove")
        await his.until(lambda: his.closed_with == 4403)
        assert "You are no longer in this room" in his.frames[-1]
        await asyncio.to_thread(alice.post, 1, "without him")
        await hers.until_shows("without him")
        assert "without him" not in his.view.values()
        await asyncio.to_thread(alice.submit, "/rooms/1/delete", {"name": "Lobby"})
        await here.until(lambda: here.closed_with == 4403)
        assert "Lobby was deleted" in here.frames[-1]
        await hers.until(lambda: hers.closed_with == 4403)
        # Either the notice through Redis ends it, or her process's own check of the members.
        assert re.search("Lobby was deleted|You are no longer in this room", hers.frames[-1])


async def test_a_lost_notice_is_repaired(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    bob = sign_up(one, "Bob Brown")
    async with LiveClient(alice, 1, urls=[two.url]) as there, LiveClient(bob, 1, urls=[two.url]) as his:
        redis_server.kill()
        await asyncio.to_thread(alice.submit, "/sign-out")
        await asyncio.to_thread(bob.submit, "/rooms/1/leave")
        await there.until(lambda: there.closed_with == 4401)
        await his.until(lambda: his.closed_with == 4403)


async def test_members_go_offline_when_their_process_dies(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice = first_run(one)
    bob = sign_up(two, "Bob Brown")
    async with LiveClient(alice, 1) as hers, LiveClient(bob, 1):
        await hers.until(lambda: any("Bob Brown" in frame for frame in hers.frames))
        two.kill()
        await hers.until(lambda: 'id="online"' in hers.frames[-1] and "Bob Brown" not in hers.frames[-1], within=25)


async def test_sockets_to_closed_and_missing_rooms_are_refused_alike(alice: Person) -> None:
    bob = await asyncio.to_thread(sign_up, alice.server, "Bob Brown")
    secret = await asyncio.to_thread(alice.create_room, "Secret", "closed")
    answers = []
    for room_id in (secret, 4711):
        client = LiveClient(bob, room_id)
        client.load = _already_loaded  # type: ignore[method-assign]  # this page stays as it is
        async with client:
            await client.until(partial(is_closed, client))
            answers.append((client.closed_with, client.frames))
    assert answers[0] == answers[1]
    assert answers[0][0] == 4404


def is_closed(client: LiveClient) -> bool:
    return client.closed_with is not None


async def test_a_socket_without_a_session_is_told_to_sign_in(alice: Person) -> None:
    alice.client.cookies.clear()
    async with LiveClient(alice, None) as client:
        await client.until(lambda: client.closed_with == 4401)
        assert "Sign in again" in client.frames[-1]
