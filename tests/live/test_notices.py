"""Notices sent before a page has its connection."""

import asyncio
import re
from functools import partial

import pytest

from chat.ids import RoomId, SessionId, UserId
from chat.live.backlog import FrameQueue
from chat.live.reader import Reader
from tests.support.live_client import LiveClient
from tests.support.people import Person

pytestmark = pytest.mark.anyio


async def test_a_new_connection_replays_recent_notices(alice: Person, bob: Person, carol: Person) -> None:
    def happens() -> None:
        alice.post(1, "what about you, @Bob Brown?")
        alice.submit("/messages/1/pin", {"pinned": "yes"})
        board = alice.create_room("Board", "closed")
        alice.submit(f"/rooms/{board}/members", {"person": bob.id})

    await asyncio.to_thread(happens)
    async with LiveClient(bob, 1) as his, LiveClient(carol, 1) as hers, LiveClient(bob, None) as elsewhere:
        for page, kinds in ((his, "mention sidebar news"), (hers, "news"), (elsewhere, "mention sidebar")):
            await page.until(partial(has_heard, page, kinds))
        await asyncio.sleep(0.3)
        assert "mention" not in heard(hers)
        assert "news" not in heard(elsewhere)


async def test_of_choices_made_in_turn_the_last_is_replayed_last(alice: Person) -> None:
    for theme in ("dark", "light", "dark"):
        await asyncio.to_thread(alice.submit, "/profile/theme", {"theme": theme})
    async with LiveClient(alice, 1) as page:
        await page.until(lambda: len(themes(page)) == 2)
        assert themes(page) == ["light", "dark"]


def themes(page: LiveClient) -> list[str]:
    return re.findall(r'<chat-preferences data-theme="(\w+)"', "".join(page.frames))


def has_heard(page: LiveClient, kinds: str) -> bool:
    return heard(page) >= set(kinds.split())


def heard(page: LiveClient) -> set[str]:
    return set(re.findall(r"<chat-(mention|sidebar|news)", "".join(page.frames)))


def test_the_page_of_a_member_removed_before_it_connects_is_closed() -> None:
    closed: list[bool] = []
    queue = FrameQueue(10)
    reader = Reader(SessionId(1), UserId(1), RoomId(1))
    reader.dismiss(4403, "no longer in this room")
    reader.attach_queue(queue, close=lambda: closed.append(True))
    reader.send(b"a secret")
    assert closed == [True]
    assert queue.empty()
