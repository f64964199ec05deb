"""A page that switches rooms on its socket."""

import asyncio
import itertools
import re
import time

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chat.ids import RoomId, SessionId, UserId
from chat.live.latest_news import LatestNews
from chat.live.page_frames import switch_in
from chat.live.reader import Reader
from tests.support.people import Person

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured")]

PLACE = re.compile(r'/rooms/(\d+)/messages/\d+#m-\d+"><time')


def follow(person: Person, path: str = "/live") -> connect:
    cookie = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
    url = person.server.url.replace("http", "ws", 1) + path
    return connect(url, origin=person.server.origin, additional_headers={"Cookie": cookie})


def state_of(person: Person, room: int) -> tuple[str, str]:
    """Return a room's revision and epoch, as its page says them."""
    page = person.get(f"/rooms/{room}").text
    return re.findall(r'data-revision="(\d+)" data-read', page)[0], re.findall(r'data-epoch="([^"]+)"', page)[0]


async def until(socket: ClientConnection, words: str) -> list[str]:
    """Return the frames up to the first with these words."""
    frames: list[str] = []
    async with asyncio.timeout(15):
        while not frames or words not in frames[-1]:
            frames.append(str(await socket.recv()))
    return frames


async def switch_back_and_forth(alice: Person) -> None:
    garden = alice.create_room("Garden")
    after, epoch = await asyncio.to_thread(state_of, alice, 1)

    async def post(number: int) -> None:
        await asyncio.to_thread(alice.post, garden if number % 2 else 1, f"number {number}.")

    async with follow(alice, f"/rooms/1/live?after={after}&epoch={epoch}") as socket:
        for number in range(0, 12, 2):
            room = garden if number % 4 == 0 else 1
            after, epoch = await asyncio.to_thread(state_of, alice, room)
            await asyncio.gather(post(number), post(number + 1))
            await socket.send(f"switch {number + 1} {room} {after} 0 {epoch}")
            await until(socket, f"switched {number + 1}")
            mine = number + 1 if room == garden else number
            for frame in await until(socket, f"number {mine}."):
                assert set(PLACE.findall(frame)) <= {str(room)}, "nothing of the room that the page has left"


async def test_a_page_gets_the_changes_of_the_room_to_which_it_switched(alice: Person) -> None:
    await switch_back_and_forth(alice)


async def test_a_page_switches_under_another_websocket_protocol(alice_under_another_protocol: Person) -> None:
    await switch_back_and_forth(alice_under_another_protocol)


async def test_only_the_last_of_many_switches_counts(alice: Person) -> None:
    garden = alice.create_room("Garden")
    after, epoch = state_of(alice, garden)
    async with follow(alice) as socket:
        for number in range(1, 20):
            await socket.send(f"switch {number} {1 if number % 2 else 0} 0 0 {epoch}")
        await socket.send(f"switch 20 {garden} {after} 0 {epoch}")
        await until(socket, "switched 20")
        await asyncio.to_thread(alice.post, 1, "in the lobby")
        await asyncio.to_thread(alice.post, garden, "in the garden")
        frames = await until(socket, "in the garden")
        assert not any("in the lobby" in frame for frame in frames)


async def test_a_page_cannot_switch_to_a_room_of_others(alice: Person, bob: Person) -> None:
    secret = alice.create_room("Secret", "closed")
    alice.post(secret, "nobody else may read this")
    _, epoch = state_of(bob, 1)
    for room in (secret, 999, 10**17):
        async with follow(bob) as socket:
            await socket.send(f"switch 1 {room} 0 0 {epoch}")
            frames = await until(socket, "You are no longer in this room")
            assert not any("nobody else" in frame for frame in frames)
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 15)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4404


async def test_a_page_that_comes_back_is_told_only_what_has_changed_meanwhile(alice: Person, bob: Person) -> None:
    garden, numbers = alice.create_room("Garden"), itertools.count(1)
    bob.submit(f"/rooms/{garden}/join")
    async with follow(alice) as socket:

        async def visit(room: int) -> str:
            """Return the frames that a page gets when it comes to a room, up to messages that are posted then."""
            number = next(numbers)
            after, epoch = await asyncio.to_thread(state_of, alice, room)
            await socket.send(f"switch {number} {room} {after} 0 {epoch}")
            await until(socket, f"switched {number}")
            frames: list[str] = []
            # The page is sent the first message before the rest of what it has missed.
            for text in (f"visit {number}.", f"end of visit {number}."):
                await asyncio.to_thread(alice.post, room, text)
                frames += await until(socket, f"<p>{text}</p>")
            return "".join(frames)

        async def until_nothing_is_told(room: int) -> None:
            """A change reaches the process a moment after its answer, at times while the page comes back."""
            while "chat-news" in await visit(room):
                await asyncio.sleep(0.5)

        async with asyncio.timeout(60):
            # A process that has just begun does not know the earlier changes.
            while re.search('chat-news|id="online"', await visit(garden)):
                await asyncio.sleep(0.5)
            await visit(1)
            await asyncio.to_thread(alice.post, garden, "/topic All that grows")
            await until_nothing_is_told(1)
            assert "chat-news" in await visit(garden)
            await asyncio.to_thread(bob.submit, "/rooms/1/favourite", {"favourite": "yes"})
            await until_nothing_is_told(1)
            await asyncio.to_thread(alice.submit, "/rooms/1/favourite", {"favourite": "yes"})
            assert "chat-news" in await visit(1)
            async with follow(bob):
                while "BB" not in await visit(garden):
                    await visit(1)
                    # A page may send 4 kB between two pings, some fifty switches.
                    await asyncio.sleep(0.5)


def test_what_changed_longest_ago_is_forgotten_and_then_counts_as_missed() -> None:
    reader, news = Reader(SessionId(1), UserId(1), RoomId(1)), LatestNews(most=2)
    before = time.monotonic()
    assert not news.may_miss(reader, before)
    news.note_room(RoomId(2))
    news.note_person(UserId(2))
    assert not news.may_miss(reader, before)
    news.note_person(UserId(2))
    news.note_room(RoomId(2))
    assert news.may_miss(reader, before)
    assert not news.may_miss(reader, time.monotonic())


MALFORMED = [
    b"",
    b"switch",
    b"switch 1 1 0 0",
    b"switch 1 1 0 epoch",
    b"switch 1 1 0 0 epoch more",
    b"switch 1 -1 0 0 epoch",
    b"switch one 1 0 0 epoch",
    b"switch 1 1 1e3 0 epoch",
    b"switch 1 1 0 0.5 epoch",
    b"switch 1 \xd9\xa1 0 0 epoch",
    b"switch 1 " + b"9" * 19 + b" 0 0 epoch",
    b"Switch 1 1 0 0 epoch",
    b"\xff\xfe 1 1 0 0 epoch",
    b"switch  1 0 0 epoch",
    b"     ",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_frame_is_no_switch(text: bytes) -> None:
    assert switch_in(text) is None


async def test_malformed_frames_of_a_page_change_nothing(alice: Person) -> None:
    after, epoch = state_of(alice, 1)
    async with follow(alice, f"/rooms/1/live?after={after}&epoch={epoch}") as socket:
        for text in MALFORMED:
            await socket.send(text, text=text.isascii())
        await asyncio.to_thread(alice.post, 1, "still here")
        frames = await until(socket, "still here")
        assert not any("switched" in frame for frame in frames)
