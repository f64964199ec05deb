"""Every open page reloads after a restore, and then hears of new messages although there are fewer than before."""

import asyncio

import pytest

from tests.support.databases import execute
from tests.support.live_client import LiveClient
from tests.support.people import Person

pytestmark = pytest.mark.anyio
COUNT = '<chat-activity data-room="1" data-count="{}">'


def has(page: LiveClient, part: str) -> bool:
    return any(part in frame for frame in page.frames)


async def test_pages_of_no_room_reload_after_a_restore_and_count_from_the_restored_messages(
    alice: Person, bob: Person
) -> None:
    for body in ("one", "two", "three"):
        await asyncio.to_thread(alice.post, 1, body)
    async with LiveClient(alice, 1), LiveClient(bob, None) as page:
        await page.until(lambda: has(page, COUNT.format(3)))
        await execute(
            alice.server.database_url,
            """
            WITH gone AS (DELETE FROM messages WHERE position > 1),
                room AS (UPDATE rooms SET message_count = 1, revision = 1)
            UPDATE installation SET epoch = gen_random_uuid()
            """,
        )
        await page.until(lambda: has(page, "/reload"))
        async with LiveClient(bob, None) as reloaded:
            await reloaded.until(lambda: has(reloaded, COUNT.format(1)))
            await asyncio.to_thread(alice.post, 1, "a second one")
            await reloaded.until(lambda: has(reloaded, COUNT.format(2)))
