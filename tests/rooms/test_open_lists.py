"""Open lists and settings show what changes in a room, and other pages of a person show their choices."""

import asyncio

import pytest

from tests.support.live_client import LiveClient
from tests.support.people import Person

pytestmark = pytest.mark.anyio


async def follow(page: LiveClient, expected: str, person: Person, path: str, **fields: str) -> None:
    """Send a form, and wait until a later frame of the page has this part."""
    seen = len(page.frames)
    await asyncio.to_thread(person.submit, path, fields)
    await page.until(lambda: any(expected in frame for frame in page.frames[seen:]))


async def test_open_lists_show_pins_settings_and_mentions(alice: Person, bob: Person) -> None:
    lists = '<chat-pages data-paths="/rooms/1/settings /rooms/1/pinned">'
    mentions = '<chat-pages data-paths="/mentions">'
    await asyncio.to_thread(alice.post, 1, "the wifi")
    async with LiveClient(bob, None) as page:
        # By then the process has learned which rooms Bob is in.
        await page.until(lambda: any('<chat-activity data-room="1"' in frame for frame in page.frames))
        await follow(page, lists, alice, "/messages/1/pin", pinned="yes")
        await follow(page, lists, alice, "/rooms/1/settings", topic="sailing")
        await follow(page, mentions, alice, "/rooms/1/messages", body="hello @Bob Brown")
        await follow(page, mentions, alice, "/messages/2/edit", body="hello")


async def test_levels_for_all_rooms_show_in_the_bell_of_an_open_room(alice: Person) -> None:
    async with LiveClient(alice, 1) as page:
        chosen = {"room_level": "nothing", "direct_level": "nothing", "everywhere": "yes"}
        await follow(page, "<chat-news>", alice, "/profile/levels", **chosen)


async def test_a_read_position_is_told_as_it_is_stored(alice: Person) -> None:
    await asyncio.to_thread(alice.post, 1, "the only message")
    async with LiveClient(alice, None) as page:
        await follow(page, '<chat-read data-room="1" data-position="1">', alice, "/rooms/1/read", position="1000")
