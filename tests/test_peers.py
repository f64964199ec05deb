"""The other chat servers that the benchmarks measure, where they are installed."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.measure import cpu, handshake, stamp_text
from benchmarks.peers import work
from benchmarks.peers.peer import Peer
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.wire import Crowd, WebsocketWire, Wire, shows
from benchmarks.peers.work import Work
from benchmarks.programs import NotHere
from benchmarks.rows.peers import OTHERS, standing_still

SIZES = Sizes(
    people=6,
    rooms=2,
    posters=4,
    readers=5,
    returning=5,
    posts=8,
    messages=4,
    pages=2,
    settling_seconds=0,
    idle_seconds=0.1,
)


@pytest.mark.parametrize("name", OTHERS)
def test_another_chat_server_does_all_the_work(name: str) -> None:
    try:
        peer = OTHERS[name](SIZES)
    except NotHere as reason:
        pytest.skip(str(reason))
    try:
        peer.start()
        figures = asyncio.run(all_work(peer, Work(SIZES)))
    finally:
        peer.remove()
    assert peer.version[0].isdigit()
    assert figures[work.BYTES] > 50
    assert figures[work.LAST_50] > 0
    assert figures[work.BACK] > 0
    assert (figures.get(work.RATE, 0) > 0) == peer.keeps


@pytest.mark.anyio
async def test_a_light_page_answers_pings_between_messages() -> None:
    pongs = []

    async def talk(connection: ServerConnection) -> None:
        for size in (5, 125, 126, 70_000):
            await connection.send("x" * size)
            pongs.append(await connection.ping())
            await asyncio.wait_for(pongs[-1], 20)
        await connection.send(stamp_text(1))
        await connection.wait_closed()

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        page = await WebsocketWire.open(port)
        await page.ask(handshake(port).encode(), shows(stamp_text(1).encode()))
        page.close()
    assert len(pongs) == 4


@pytest.mark.anyio
async def test_a_stamp_counts_once_for_each_reader_also_when_it_is_cut_in_two() -> None:
    crowd = Crowd(2)
    readers = [Wire(), Wire()]
    for reader in readers:
        reader.crowd = crowd
    reached = crowd.reached(7)
    readers[0].data_received(b"<a id='stamp-00000007'>stamp-00000007</a>")
    readers[1].data_received(b"<a id='stamp-0000")
    assert not reached.done()
    readers[1].data_received(b"0007'>")
    assert reached.done()
    assert crowd.bytes == 41 + 17 + 6


async def all_work(peer: Peer, each: Work) -> work.Figures:
    figures = await each.be_idle(peer) | await each.fan_out(peer) | await each.come_back(peer)
    if peer.keeps:
        figures |= await each.post(peer) | await each.read(peer)
    return figures


@pytest.fixture
def spinning() -> Iterator[psutil.Process]:
    """A server that never rests."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def test_a_server_stands_still_while_another_works_and_goes_on(spinning: psutil.Process) -> None:
    with standing_still([spinning]):
        until_stopped(spinning)
        before = cpu(spinning)
        time.sleep(0.3)
        assert cpu(spinning) == before
    deadline = time.monotonic() + 30
    while cpu(spinning) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def until_stopped(process: psutil.Process) -> None:
    deadline = time.monotonic() + 30
    while process.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_less_cpu_than_a_hundredth_of_a_second_is_counted() -> None:
    me = psutil.Process()
    counted, began = cpu(me), time.process_time()
    while time.process_time() - began < 0.002:
        pass
    assert 0.002 <= cpu(me) - counted <= 0.002 + time.process_time() - began
