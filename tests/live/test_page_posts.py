"""Texts that a page posts over its websocket."""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from chat.live.page_frames import post_in
from chat.live.wire import MOST_RECEIVED_BYTES, holds_whole_frames, text_in
from chat.messages.markdown import SHORT
from chat.throttling.rules import WRITE
from tests.support.databases import execute, query
from tests.support.page_posts import page_of, post_over
from tests.support.people import Person, be_too_fast, first_run
from tests.support.server import ChatServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured")]

StartServer = Callable[..., ChatServer]


def stored(person: Person) -> Sequence[str]:
    return [row["body"] for row in query(person.server.database_url, "SELECT body FROM messages ORDER BY id")]


async def post_in_order(alice: Person) -> None:
    garden = alice.create_room("Garden")
    async with page_of(alice, "/rooms/1/live?after=0") as socket:
        for number in range(1, 6):
            answer = await post_over(socket, f"text {number} & *more*", garden, number)
            assert f"<p>text {number} &amp; <em>more</em></p>" in answer
    found = await asyncio.to_thread(stored, alice)
    assert found == [f"text {number} & *more*" for number in range(1, 6)]


async def test_a_page_posts_over_its_socket(alice: Person) -> None:
    await post_in_order(alice)


async def test_a_page_posts_under_another_websocket_protocol(alice_under_another_protocol: Person) -> None:
    await post_in_order(alice_under_another_protocol)


async def test_the_answer_is_that_of_a_form(alice: Person) -> None:
    first, text = uuid4().hex, "Zürich 🏔\n\nsecond line\0"
    async with page_of(alice) as socket:
        answer = await post_over(socket, text, client=first)
    form = await asyncio.to_thread(alice.post, 1, text, first)
    assert answer == f"posted 1 {form.text}"
    assert len(await asyncio.to_thread(stored, alice)) == 1


async def test_a_text_that_was_posted_before_is_left_to_the_form(alice: Person) -> None:
    client = uuid4().hex
    await asyncio.to_thread(alice.post, 1, "by a form", client)
    async with page_of(alice) as socket:
        assert await post_over(socket, "by a form", client=client) == "unposted 1"
        assert "by a form" in (await asyncio.to_thread(alice.post, 1, "by a form", client)).text
    assert await asyncio.to_thread(stored, alice) == ["by a form"]


@pytest.mark.parametrize(
    "text",
    ["", " \n", "&nbsp;", "hello @Alice", "see www.example.org", "/shrug", "/me waves", "x" * SHORT],
    ids=lambda text: repr(text)[:12],
)
async def test_a_text_that_takes_more_than_posting_is_left_to_the_form(alice: Person, text: str) -> None:
    async with page_of(alice) as socket:
        assert await post_over(socket, text) == "unposted 1"
    assert await asyncio.to_thread(stored, alice) == []


LOSSES = [
    "UPDATE sessions SET revoked_at = now() WHERE user_id = {id}",
    "UPDATE sessions SET expires_at = now() - interval '1 second' WHERE user_id = {id}",
    "DELETE FROM sessions WHERE user_id = {id}",
    "DELETE FROM memberships WHERE user_id = {id}",
    "UPDATE rooms SET archived_at = now()",
    "UPDATE rooms SET posting = 'managers'",
    "UPDATE rooms SET slow_seconds = 600; UPDATE memberships SET posted_at = now()",
]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_right_that_is_gone_is_gone_at_the_next_post(alice: Person, bob: Person, loss: str) -> None:
    number = bob.id
    async with page_of(bob) as socket:
        assert (await post_over(socket, "before")).startswith("posted 1 ")
        for statement in loss.format(id=number).split("; "):
            await execute(alice.server.database_url, statement)
        assert await post_over(socket, "after", number=2) == "unposted 2"
    assert await asyncio.to_thread(stored, alice) == ["before"]


async def test_nobody_posts_into_a_room_of_others(alice: Person, bob: Person) -> None:
    secret = alice.create_room("Secret", "closed")
    async with page_of(bob) as socket:
        for number, room in enumerate((secret, 999, 10**17), 1):
            assert await post_over(socket, "let me in", room, number) == f"unposted {number}"
    assert await asyncio.to_thread(stored, alice) == []


async def test_a_page_is_not_faster_than_forms_may_be(start_server: StartServer, database_url: str) -> None:
    alice = first_run(start_server(database_url, RATE_LIMITS="1"))
    async with page_of(alice) as socket:
        await asyncio.to_thread(be_too_fast, alice)
        before = await asyncio.to_thread(stored, alice)
        assert await post_over(socket, "too fast") == "unposted 1"
    assert await asyncio.to_thread(stored, alice) == before


async def test_posts_do_not_use_up_what_a_page_may_send(alice: Person) -> None:
    async with page_of(alice) as socket:
        for number in range(1, 9):
            assert (await post_over(socket, "x" * (SHORT - 1), number=number)).startswith("posted")
        assert 8 * SHORT > MOST_RECEIVED_BYTES
        # Nor does what is around them.
        for number in range(9, 9 + MOST_RECEIVED_BYTES // 6):
            assert (await post_over(socket, "x", number=number)).startswith("posted")


async def test_a_page_that_floods_texts_is_ended(start_server: StartServer, database_url: str) -> None:
    alice = first_run(start_server(database_url, RATE_LIMITS="1"))
    async with page_of(alice) as socket:
        with pytest.raises(ConnectionClosed):  # noqa: PT012  at some text after the six hundredth
            for number in range(1, 2000):
                assert await post_over(socket, "@" * 500, number=number) == f"unposted {number}"
        assert number > WRITE.budgets[0].amount


async def test_a_post_waits_for_the_one_before_and_a_third_is_left_to_the_form(alice: Person) -> None:
    async with page_of(alice) as socket:
        # In one write, so that the server reads all at once.
        texts = [f"post {number} 1 {uuid4().hex}\ntext {number}" for number in (1, 2, 3)]
        socket.transport.write(b"".join(sent(text.encode()) for text in texts))
        answers: list[str] = []
        async with asyncio.timeout(15):
            while len(answers) < 3:
                if found := re.match(r"(?:un)?posted \d", str(await socket.recv())):
                    answers.append(found[0])
        assert answers == ["unposted 3", "posted 1", "posted 2"]
        assert (await post_over(socket, "text 4", number=4)).startswith("posted 4 ")
    assert await asyncio.to_thread(stored, alice) == ["text 1", "text 2", "text 4"]


def sent(payload: bytes, first: int = 0x81, mask: bytes = b"abcd") -> bytes:
    """Return a client's frame, as a browser sends it."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2)
    return bytes([first]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 1000, 65_535])
def test_a_whole_text_frame_is_read_at_once_and_any_other_by_the_parser(size: int) -> None:
    text = bytes(number % 251 for number in range(size))
    frame = sent(text)
    assert text_in(frame) == (text if size > 1 else None)
    assert holds_whole_frames(frame)
    for other in (
        frame[:-1],
        frame + b"\x81",
        frame + frame,
        sent(text, first=0x01),
        sent(text, first=0x82),
        sent(text, first=0x80),
        sent(text, first=0xC1),
        frame[:1] + bytes([frame[1] & 127]) + frame[2:],
    ):
        assert text_in(other) is None, other[:8]


async def test_frames_that_come_in_pieces_and_together_are_all_read(alice: Person) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
    head = "GET /live HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: {cookie}\r\n" + (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    host = alice.server.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection("127.0.0.1", alice.server.port)
    try:
        writer.write(head.format(host=host, origin=alice.server.url, cookie=cookie).encode())
        await reader.readuntil(b"\r\n\r\n")

        async def until(words: bytes) -> None:
            async with asyncio.timeout(15):
                await reader.readuntil(words)

        def text(number: int) -> bytes:
            return f"post {number} 1 {uuid4().hex}\ntext {number} {'x' * 150}".encode()

        whole = sent(text(1))
        for piece in (whole[:1], whole[1:3], whole[3:50], whole[50:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.1)
        await until(b"posted 1 ")
        writer.write(sent(text(2)))
        await until(b"posted 2 ")
        # One text in two frames, with a ping between them, and a whole one behind them.
        half = text(3)
        writer.write(sent(half[:20], first=0x01))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(sent(b"still here", first=0x89))
        await until(b"still here")
        writer.write(sent(half[20:], first=0x80) + sent(b"switch 9 0 0 0 -"))
        await until(b"switched 9")
        await asyncio.sleep(0.1)
        writer.write(sent(text(4)))
        await until(b"posted 4 ")
    finally:
        writer.close()
    assert [body[:6] for body in await asyncio.to_thread(stored, alice)] == ["text 1", "text 2", "text 3", "text 4"]


async def test_a_text_in_the_middle_of_another_ends_the_connection(alice: Person) -> None:
    async with page_of(alice) as socket:
        assert (await post_over(socket, "before")).startswith("posted")
        socket.transport.write(sent(b"post 2 1 ", first=0x01))
        await asyncio.sleep(0.1)
        socket.transport.write(sent(b"switch 9 0 0 0 -"))
        frames = []
        async with asyncio.timeout(15):
            with suppress(ConnectionClosed):
                async for frame in socket:
                    frames.append(str(frame))
    assert not any("switched" in frame for frame in frames)
    assert socket.close_code == 1002  # a protocol error


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"post",
        b"post 1 1\nno id",
        b"post 1 1 %b no line",
        b"post 1 x %b\nno room",
        b"post -1 1 %b\nno number",
        b"post 1 1 %b0\nlong id",
        b"post 1111111111111111111 1 %b\nlong number",
        b"post 1 1 %b\n\xff\xfe",
        b" post 1 1 %b\ntext",
        b"POST 1 1 %b\ntext",
    ],
)
def test_a_malformed_frame_is_no_post(frame: bytes) -> None:
    assert post_in(frame.replace(b"%b", uuid4().hex.encode())) is None


def test_a_frame_of_a_post_is_read() -> None:
    client = uuid4()
    found = post_in(f"post 7 12 {client.hex}\nline\nand line".encode())
    assert found is not None
    assert (found.number, found.room_id, found.client_id, found.body) == (7, 12, client, "line\nand line")
