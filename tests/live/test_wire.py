"""Frames written through uvicorn's internals, and readers that stall."""

import asyncio
import itertools
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import psutil
import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState
from websockets.asyncio.client import connect

import chat.app
from chat.ids import MessageId, Revision, SessionId, UserId
from chat.live.frames import encode_frame, frame_of_changes
from chat.live.reader import Reader, discard, send_to_all, transmit_nothing
from chat.live.source import MessageChange
from chat.live.wire import STALLED_SECONDS, LiveProtocol
from tests.support.frames import text_of
from tests.support.live_client import LiveClient
from tests.support.people import Person
from tests.support.server import ChatServer, ForkedServer
from tests.support.settled import settled_database, settled_person
from tests.torture.stalled import stall

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured")]

# Four times as large as markup: until a server notices a stalled reader, the kernel takes some megabytes for it.
LARGE = "<" * 9_900


def test_uvicorn_has_the_version_the_wire_was_written_for() -> None:
    assert uvicorn.__version__ == "0.54.0"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_frames_of_every_length_are_well_formed(size: int) -> None:
    assert text_of(encode_frame("x" * size)) == "x" * size


def test_a_frame_adds_new_messages_and_morphs_old_messages() -> None:
    new = MessageChange(MessageId(9), Revision(12), Revision(12), "<li>new</li>")
    old = MessageChange(MessageId(3), Revision(4), Revision(13), "<li>edited</li>")
    text = text_of(frame_of_changes([new, old], Revision(11), Revision(13)))
    assert text == (
        '<hx-partial hx-target="#messages" hx-swap="upsert"><li>new</li></hx-partial>'
        '<hx-partial hx-target="#m-3" hx-swap="outerMorph"><li>edited</li></hx-partial>'
        '<chat-cursor data-cursor="13"></chat-cursor>'
    )


def test_a_frame_of_nothing_but_new_messages_holds_their_markup_alone() -> None:
    posted = [MessageChange(MessageId(n), Revision(n), Revision(n), f"<li>{n}</li>") for n in (12, 13)]
    assert text_of(frame_of_changes(posted, Revision(11), Revision(13))) == "<li>12</li><li>13</li>"
    # The first has been edited since: the last message does not tell how far the frame takes a page.
    edited = MessageChange(MessageId(12), Revision(12), Revision(14), "<li>edited</li>")
    assert text_of(frame_of_changes([*posted, edited], Revision(11), Revision(14))) == (
        '<hx-partial hx-target="#messages" hx-swap="upsert"><li>edited</li><li>13</li></hx-partial>'
        '<chat-cursor data-cursor="14"></chat-cursor>'
    )


async def test_a_short_message_takes_less_than_half_a_kilobyte(alice: Person) -> None:
    async with LiveClient(alice, 1) as page:
        for number in range(2):
            alice.post(1, f"stamp-0000000{number} a message of some forty characters, say")
        await page.until_sees(2)
        (frame,) = (each for each in page.frames if "stamp-00000001" in each)
    assert len(encode_frame(frame)) < 480


@dataclass
class Stalled:
    """A reader that stalled, and what it cost another reader."""

    server: ChatServer
    plug: socket.socket
    longest: float = 0.0  # seconds from posting a message until the other reader has it
    dropped_after: float | None = None  # seconds since the last message

    def watch(self, ended: threading.Event) -> None:
        """Note when the server drops it."""
        assert self.server.process is not None
        process, began = psutil.Process(self.server.process.pid), time.monotonic()
        while is_connected(process, self.plug):
            if ended.wait(0.2):
                return
        self.dropped_after = time.monotonic() - began


@pytest.fixture(scope="module")
async def stalled(anyio_backend: str) -> AsyncIterator[Stalled]:
    """The server may take its time to notice; other tests run meanwhile."""
    async with AsyncExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(ForkedServer, "is_measured", False)
        server = ForkedServer(stack.enter_context(settled_database(["alice"])))
        stack.callback(server.remove)
        server.start()
        alice = settled_person(server, "Alice Adams")
        assert alice
        page = LiveClient(alice, 1)
        await page.load()
        address = f"{server.url.replace('http', 'ws')}/rooms/1/live?after={page.after}&epoch={page.epoch}"
        cookie = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
        found = Stalled(server, small_socket(server.port))
        opening = connect(
            address,
            origin=server.origin,
            additional_headers={"Cookie": cookie},
            max_queue=1,
            sock=found.plug,
            ping_interval=None,  # it would end the connection itself
        )
        other = await stack.enter_async_context(opening)
        other.transport.pause_reading()
        stack.callback(other.transport.abort)  # it reads no answer to a farewell
        async with LiveClient(alice, 1) as reader:
            for number in range(150):
                started = time.monotonic()
                await asyncio.to_thread(alice.post, 1, f"{number} {LARGE}")
                await reader.until_sees(number + 1)
                found.longest = max(found.longest, time.monotonic() - started)
        ended = threading.Event()
        watching = threading.Thread(target=found.watch, args=(ended,))
        watching.start()
        yield found
        ended.set()
        watching.join()


def test_a_stalled_reader_delays_no_other(stalled: Stalled) -> None:
    assert 0 < stalled.longest < STALLED_SECONDS, "no reader waited for the stalled reader"


class OnSmallSocket(LiveProtocol):
    """A page's connection whose socket holds little."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_slow_reader_gets_every_frame_in_order(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Some are written to the socket itself, and those that do not fit by the transport."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(keep_a_slow_reader_in_order())


async def keep_a_slow_reader_in_order() -> None:
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(chat.app.ROUTES[0], log_config=None)
    config.load()
    state, reader = ServerState(), Reader(SessionId(1), UserId(1), None)
    numbers, sent, heard, chance = itertools.count(), bytearray(), bytearray(), random.Random(1)

    def frame() -> bytes:
        sent.extend(made := f"{next(numbers):08d}".encode() * chance.choice((20, 60, 3000)))
        return made

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.01)

    server = await loop.create_server(lambda: OnSmallSocket(config, state, {}), "127.0.0.1", 0)
    with small_socket(server.sockets[0].getsockname()[1]) as client:
        client.setblocking(False)
        await until(lambda: bool(state.connections))
        (protocol,) = state.connections
        assert isinstance(protocol, OnSmallSocket)
        protocol.transport.write(frame())  # as the answer to the handshake
        protocol.follow(reader, discard)
        send_to_all([reader], frame())
        for _ in range(3):
            await until(lambda: reader.transmit is not transmit_nothing)
            while reader.transmit is not transmit_nothing:
                send_to_all([reader], frame())
                if reader.transmit is not transmit_nothing:
                    reader.send(frame())
            for _ in range(5):
                # It makes room, which only the transport may use.
                with suppress(BlockingIOError):
                    heard += client.recv(65_536)
                send_to_all([reader], frame())
                reader.send(frame())
                protocol.ping(b"ping", frame())
            while len(heard) < len(sent):
                heard += await asyncio.wait_for(loop.sock_recv(client, 65_536), 30)
            assert heard == sent
            await until(lambda: not protocol.transport.get_write_buffer_size())
            sent += b"-"
            protocol.ping(b"ping", b"-")
        assert protocol.transport.get_write_buffer_size() == 0
        protocol.transport.abort()
        await until(lambda: not state.connections)
        assert (reader.transmit, reader.send) == (transmit_nothing, discard)
    server.close()


def small_socket(port: int) -> socket.socket:
    """A connection whose kernel keeps little: what it would hold for a reader is not what the server holds."""
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    plug.connect(("127.0.0.1", port))
    return plug


def is_connected(process: psutil.Process, plug: socket.socket) -> bool:
    """Tell whether a server still has its end of a connection."""
    ours = plug.getsockname()
    return any(c.raddr == ours and c.status == psutil.CONN_ESTABLISHED for c in process.net_connections("tcp"))


async def test_many_stalled_readers_use_little_memory_and_are_dropped(alice: Person) -> None:
    result = await stall(alice, readers=60, stalled=20, seconds=20, text=LARGE, calm=0)
    assert result.missing == 0, "the others have everything"
    assert result.grown_by < 64 * 2**20
    assert result.dropped_after is not None
    assert result.dropped_after < 22
    assert result.exit_code == 0
    assert result.left_in < 25


async def test_a_stalled_reader_is_dropped(stalled: Stalled) -> None:
    async with asyncio.timeout(2 * STALLED_SECONDS + 10):
        while stalled.dropped_after is None:
            await asyncio.sleep(0.2)
    assert stalled.dropped_after < 2 * STALLED_SECONDS + 5


async def test_a_page_flooding_frames_is_ended_at_once_and_delays_no_reader(alice: Person) -> None:
    address = f"{alice.server.url.replace('http', 'ws')}/live"
    cookie = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
    assert alice.server.process is not None
    process = psutil.Process(alice.server.process.pid)

    def seconds() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    empty = b"\x81\x80" + bytes(4)  # masked
    async with connect(address, origin=alice.server.origin, additional_headers={"Cookie": cookie}) as socket:
        for _ in range(50):
            await socket.send("")
        await asyncio.wait_for(await socket.ping(), 30)
        before = seconds()
        socket.transport.write(empty * 43_000)
        await asyncio.wait_for(socket.wait_closed(), 30)
    assert seconds() - before < 0.2


async def test_under_another_websocket_protocol_frames_go_through_queues(alice_under_another_protocol: Person) -> None:
    alice = alice_under_another_protocol
    async with LiveClient(alice, 1) as reader:
        for number in range(50):
            await asyncio.to_thread(alice.post, 1, f"message {number}")
        await reader.until_shows("message 49")
        assert reader.texts() == [f"message {number}" for number in range(50)]
        await asyncio.to_thread(alice.submit, "/sign-out")
        await reader.until(lambda: reader.closed_with == 4401)
        assert "You are signed out" in reader.frames[-1]


# Looks from the event loop: Python cannot finish a tuple that another thread has got by `gc.get_objects`.
WATCHED = """
import gc
from chat.live.wire import LiveProtocol

def is_handshake(known):
    return isinstance(known, dict) and known.get("type") == "websocket" and "headers" in known

def watch(loop):
    gc.collect()
    known = gc.get_objects()
    pages = sum(isinstance(each, LiveProtocol) and each.on_gone is not None for each in known)
    print("pages", pages, "handshakes", sum(map(is_handshake, known)))
    loop.call_later(0.3, watch, loop)

def begin(page, *connection, begin=LiveProtocol.begin):
    page.loop.call_later(0.3, watch, page.loop)
    begin(page, *connection)

LiveProtocol.begin = begin
from chat.__main__ import main
main(["serve"])
"""


async def test_an_open_page_keeps_nothing_of_its_handshake(alice: Person) -> None:
    alice.server.stop()
    alice.server.command = ["-u", "-c", WATCHED]
    alice.server.start()
    async with LiveClient(alice, 1), LiveClient(alice, 1):
        await asyncio.to_thread(alice.server.until_logged, "pages 2 handshakes 0")
