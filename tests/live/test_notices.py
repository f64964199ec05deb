"""What people are told, whenever their page gets its connection."""

import asyncio
import re

import pytest

from tests.support.live_client import LiveClient
from tests.support.people import Person

pytestmark = pytest.mark.anyio


async def test_what_was_told_while_a_page_was_on_its_way_reaches_it(alice: Person, bob: Person, carol: Person) -> None:
    def happens() -> None:
        alice.post(1, "what about you, @Bob Brown?")
        alice.submit("/messages/1/pin", {"pinned": "yes"})
        board = alice.create_room("Board", "closed")
        alice.submit(f"/rooms/{board}/members", {"person": bob.id})

    await asyncio.to_thread(happens)
    async with LiveClient(bob, 1) as his, LiveClient(carol, 1) as hers, LiveClient(bob, None) as elsewhere:
        for page, kinds in ((his, "mention sidebar news"), (hers, "news"), (elsewhere, "mention sidebar")):
            await page.until(lambda page=page, kinds=kinds: heard(page) >= set(kinds.split()))
        await asyncio.sleep(0.3)
        assert "mention" not in heard(hers)
        assert "news" not in heard(elsewhere)


def heard(page: LiveClient) -> set[str]:
    return set(re.findall(r"<hx-(mention|sidebar|news)", "".join(page.frames)))
