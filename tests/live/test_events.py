"""Every event, told by a request to one process, shows on a page that another process serves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

import pytest

from chat.ids import RoomId, UserId
from chat.live import events
from chat.live.brokers.broker import create_broadcast
from chat.live.bus import Bus, decode, encode
from tests.files.test_faces import send_picture
from tests.support.databases import run
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer

ADA, BEN = UserId(1), UserId(2)


@dataclass
class Stage:
    """A chat of two processes with Alice, owner of the Lobby, on the first, and Bob, a member."""

    alice: Person
    bob: Person
    other_url: str


@dataclass
class Act:
    """Alice's act on the first process, the owner of the page on the second that shows it, and a part of its frame."""

    do: Callable[[Stage], object]
    shows: str
    reader: str = "bob"
    room: int | None = 1


def post_mentioning_bob(stage: Stage) -> None:
    stage.alice.post(1, "hello @Bob Brown")


def mark_read(stage: Stage) -> None:
    stage.alice.post(1, "one more message")
    newest = stage.alice.reads(1)
    stage.bob.submit("/rooms/1/read", {"position": str(len(newest))})


def remove_bob(stage: Stage) -> None:
    stage.alice.submit(f"/rooms/1/members/{stage.bob.id}/remove")


def delete_room(stage: Stage) -> None:
    stage.alice.submit("/rooms/1/delete", {"name": "Lobby"})


def end_bobs_sessions(stage: Stage) -> None:
    stage.bob.submit("/sign-out")


# In an order in which each still works: the last three close the page.
ACTS: dict[type[events.Event], Act] = {
    events.MessagesChanged: Act(lambda stage: stage.alice.post(1, "a first message"), "a first message"),
    events.MessageCountsChanged: Act(
        lambda stage: stage.alice.post(1, "a second message"), 'data-room="1" data-count="2"', room=None
    ),
    events.Mentioned: Act(post_mentioning_bob, '<chat-mention data-room="1" data-position="3">', room=None),
    events.ReadPositionMoved: Act(mark_read, '<chat-read data-room="1" data-position="4">', room=None),
    events.RoomChanged: Act(lambda stage: stage.alice.post(1, "/topic sailing"), "sailing"),
    events.SidebarsChanged: Act(
        lambda stage: stage.alice.submit("/direct", {"person": str(stage.bob.id)}), "<chat-sidebar>", room=None
    ),
    events.PagesChanged: Act(
        lambda stage: stage.alice.submit("/rooms", {"name": "Kitchen", "kind": "open"}), 'data-paths="/rooms"'
    ),
    events.PersonRenamed: Act(lambda stage: stage.alice.submit("/profile/name", {"name": "Alicia"}), "Alicia"),
    events.LookChanged: Act(lambda stage: send_picture(stage.alice), '<chat-face data-person="1"'),
    events.PreferencesChanged: Act(
        lambda stage: stage.alice.submit("/profile/theme", {"theme": "dark"}), 'data-theme="dark"', reader="alice"
    ),
    events.StatusChanged: Act(
        lambda stage: stage.alice.submit("/status", {"emoji": "🌴", "text": "", "until": "always"}), "🌴"
    ),
    events.Typing: Act(lambda stage: stage.alice.submit("/rooms/1/typing"), 'id="typist-'),
    events.PresenceChanged: Act(lambda stage: stage.alice.submit("/active"), 'data-online="1"'),
    events.MembersChanged: Act(remove_bob, "<chat-left", room=None),
    events.RoomDeleted: Act(delete_room, "<chat-left", reader="alice", room=None),
    events.SessionsEnded: Act(end_bobs_sessions, "sign-in", room=None),
}


def test_every_event_has_an_act() -> None:
    assert set(ACTS) == set(get_args(events.Event))


def test_every_event_shows_on_a_page_of_another_process(
    start_server: Callable[..., ChatServer], database_url: str, redis_server: RedisServer
) -> None:
    first, second = (start_server(database_url, redis_server.url) for _ in range(2))
    stage = Stage(first_run(first), sign_up(first, "Bob Brown"), second.url)

    async def look() -> None:
        for kind, act in ACTS.items():
            person: Person = getattr(stage, act.reader)
            async with LiveClient(person, act.room, urls=[stage.other_url]) as page:
                seen = len(page.frames)
                await asyncio.to_thread(act.do, stage)
                try:
                    await page.until(partial(shows, page, act, seen), 20)
                except TimeoutError:
                    pytest.fail(f"{kind.__name__} does not show in {page.frames[seen:]}")

    run(look())


def shows(page: LiveClient, act: Act, seen: int) -> bool:
    """Return whether a frame since `seen` shows an act."""
    return any(act.shows in frame for frame in page.frames[seen:])


@pytest.mark.anyio
async def test_an_event_that_cannot_be_shown_is_logged_and_the_next_one_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown: list[events.Event] = []

    def show(event: events.FleetingEvent) -> None:
        if isinstance(event, events.Typing):
            raise KeyError(event.room_id)
        shown.append(event)

    broadcast = create_broadcast("memory://")
    async with asyncio.timeout(10), broadcast:
        here, there = Bus(broadcast, "here", show), Bus(broadcast, "there", lambda _: None)
        listening = asyncio.create_task(here.listen())
        while not shown:
            await there.publish(events.Typing(RoomId(1), ""))
            await there.publish(events.StatusChanged(ADA))
            await asyncio.sleep(0)
        listening.cancel()
    assert "Could not show an event: Typing" in caplog.text
    assert "KeyError: 1" in caplog.text


def test_decoding_an_encoded_event_returns_the_same_event() -> None:
    event = events.MembersChanged(RoomId(1), "<p>2 members</p>", members=(ADA, BEN), arrived=(BEN,))
    assert decode(encode(event, "a process")) == ("a process", event)
    presence = events.PresenceChanged("a process", (ADA, BEN), ((ADA, 12.5),), leaves=True)
    assert decode(encode(presence, "a process")) == ("a process", presence)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"node": 1, "kind": "Nothing", "values": {}}', '{"node": 1, "kind": "Typing"}']
)
def test_decoding_a_malformed_event_raises_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        decode(text)
