"""Members' presence, status and typing."""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from chat.accounts.status import valid_status
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.live import presence
from chat.live.brokers.broker import create_broadcast
from chat.live.bus import Bus
from tests.live.test_broker import until
from tests.support.databases import execute, run
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

ADA = UserId(7)


def states(person: Person) -> dict[str, str]:
    """Each member's presence and status on the page of people, by name."""
    listed = re.findall(
        r'<a class="list-name"[^>]*>([^<]*?)(?: \(you\))?<small>\s*<span[^>]*>([^<]*)</span>([^<]*?)\s*</small>',
        person.get("/people").text,
    )
    return {name: presence + status for name, presence, status in listed}


async def becomes(person: Person, expected: dict[str, str]) -> None:
    for _ in range(100):
        if (shown := await asyncio.to_thread(states, person)) == expected:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"{shown} is not {expected}")


@pytest.mark.anyio
async def test_a_member_with_an_unused_page_is_idle_on_every_process(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    one, two = (start_server(database_url, redis_server.url) for _ in range(2))
    alice, bob = first_run(one), sign_up(two, "Bob Brown")
    await becomes(alice, {"Alice Adams": "Offline", "Bob Brown": "Offline"})
    async with AsyncExitStack() as stack:
        hers = await stack.enter_async_context(LiveClient(alice, 1))
        await stack.enter_async_context(LiveClient(bob, 1))
        await becomes(alice, {"Alice Adams": "Idle", "Bob Brown": "Idle"})
        # A page may tell any process that it is being used.
        assert (await asyncio.to_thread(alice.client.post, f"{two.url}/active")).status_code == 403, "another origin"
        assert (await asyncio.to_thread(bob.submit, "/active")).status_code == 204
        await becomes(alice, {"Alice Adams": "Idle", "Bob Brown": "Online"})
        await becomes(bob, {"Alice Adams": "Idle", "Bob Brown": "Online"})
        roster = f'data-online="{bob.id}" data-idle="{alice.id}"'
        await hers.until(lambda: any(roster in frame for frame in hers.frames))
    await becomes(alice, {"Alice Adams": "Offline", "Bob Brown": "Offline"})


@pytest.mark.anyio
async def test_a_member_becomes_idle_and_active_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "IDLE_SECONDS", 1.5)
    changes: list[str] = []
    broadcast = create_broadcast("memory://")
    async with broadcast:
        bus = Bus(broadcast, "here", lambda _: None)
        here = presence.Presence(bus, "here", lambda: changes.append(here.state_of(ADA)))
        task = asyncio.create_task(here.run())
        assert here.state_of(ADA) == "offline"
        here.arrive(ADA, is_active=True)
        assert here.state_of(ADA) == "online"
        await until(lambda: here.state_of(ADA) == "idle" and changes[-1:] == ["idle"])
        monkeypatch.setattr(presence, "IDLE_SECONDS", 300)
        here.touch(ADA)
        await until(lambda: (here.state_of(ADA), here.idle(), changes[-1]) == ("online", set(), "online"))
        task.cancel()


def test_a_status_shows_in_lists_of_members_until_it_ends(alice: Person, bob: Person) -> None:
    assert bob.submit("/status", {"emoji": ":palm_tree:", "text": "On  holiday", "until": "always"}).status_code == 303
    assert states(alice)["Bob Brown"] == "Offline · 🌴 On holiday"
    assert "🌴 On holiday" in alice.get(f"/people/{bob.id}").text
    assert "🌴 On holiday" in alice.get("/rooms/1/members").text
    assert "🌴 On holiday" in bob.get("/").text
    bob.submit("/status", {"usual": "2"})
    assert states(alice)["Bob Brown"] == "Offline · 📅 In a meeting"
    run(execute(alice.server.database_url, "UPDATE users SET status_until = now() - interval '1 second'"))
    assert states(alice)["Bob Brown"] == "Offline"
    assert "In a meeting" not in bob.get("/").text
    bob.post(1, "/status 🎧 Deep in thought")
    assert states(alice)["Bob Brown"] == "Offline · 🎧 Deep in thought"
    bob.post(1, "/status just words")
    assert states(alice)["Bob Brown"] == "Offline · just words"
    bob.post(1, "/status")
    assert states(alice)["Bob Brown"] == "Offline"
    bob.submit("/status", {"text": "busy", "until": "always"})
    bob.submit("/status/clear")
    assert states(alice)["Bob Brown"] == "Offline"
    assert bob.reads(1) == []


def test_an_invalid_status_is_refused_and_stays_in_its_form(alice: Person) -> None:
    answer = alice.submit("/status", {"emoji": "palm", "text": "kept <b>", "until": "never"})
    assert answer.status_code == 422
    for text in ("Choose one emoji", "Choose how long", 'value="palm"', 'value="kept &lt;b&gt;"'):
        assert text in answer.text
    assert alice.submit("/status", {"text": "x" * 81, "until": "60"}).status_code == 422
    assert "at most 80" in alice.post(1, "/status " + "x" * 81).text
    for bad in ('🌴"', "🌴🌴", "<b>", "1"):
        with pytest.raises(InvalidInput):
            valid_status(bad, "", "60", NOON)


def test_a_status_for_today_ends_at_the_members_midnight() -> None:
    end = valid_status("", "here", "today", NOON.astimezone(ZoneInfo("Asia/Seoul"))).until
    assert end == datetime(2026, 3, 10, 15, tzinfo=UTC)
    assert valid_status("", "here", "30", NOON).until == datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@pytest.mark.anyio
async def test_members_of_a_room_see_typing_but_not_too_often(alice: Person, bob: Person) -> None:
    garden = alice.create_room("Garden")
    async with LiveClient(alice, garden) as reader:
        await asyncio.to_thread(bob.submit, f"/rooms/{garden}/typing")
        assert (await asyncio.to_thread(bob.join, garden)).status_code == 303
        await asyncio.sleep(2.1)
        started = time.monotonic()
        for _ in range(5):
            assert (await asyncio.to_thread(bob.submit, f"/rooms/{garden}/typing")).status_code == 204
        await reader.until(lambda: any('id="typist-' in frame for frame in reader.frames))
        await asyncio.sleep(0.5)
        said = [frame for frame in reader.frames if 'id="typist-' in frame]
        assert 1 <= len(said) <= 1 + (time.monotonic() - started) // 2
        assert f'id="typist-{bob.id}" class="typist">Bob Brown<' in said[0]
