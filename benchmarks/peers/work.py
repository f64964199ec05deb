"""The work that every chat server does, and its figures."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

from benchmarks.measure import stamp_text
from benchmarks.peers.peer import Client, Peer
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.wire import Crowd
from tests.support.databases import execute

TEXT = " a message of some forty characters, say"
NEWEST = 50

POST, LONE, RATE = "CPU a post, ms", "a lone post, p50, ms", "posts a second"
DELIVERY, BYTES = "CPU a delivery, µs", "bytes a delivery"
LAST_50, LAST_99, LAST_STEADY = "post to last, p50, ms", "post to last, p99, ms", "post to last at 5 a second, p50, ms"
PAGE, PAGE_DATABASE = "CPU of the newest 50 messages, ms", "of it the database, ms"
MEMORY, IDLE = "memory an idle client, kB", "CPU of idle clients, % of a core"
BACK, BACK_CPU = "clients back and caught up, s", "CPU of each client back, ms"
Figures = dict[str, float]


class Work:
    """Measures one server at a time."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._stamps = itertools.count(1)

    async def be_idle(self, peer: Peer) -> Figures:
        """Open a page or connection for everybody, and let nobody say anything."""
        peer.kill()
        peer.start()
        people = range(1, self._sizes.people + 1)
        _close(await self._enter(peer, people[:50], self._sizes.room_of))
        await self._calm(peer)
        before = _memory(peer)
        clients = await self._enter(peer, people, self._sizes.room_of)
        await self._calm(peer)
        used = (_memory(peer) - before) / len(people) / 1000
        if peer.database is not None:
            # What filling it has left to do would come at any moment of the next five minutes.
            for left in ("VACUUM ANALYZE", "CHECKPOINT"):
                await execute(peer.database.url, left)
        await asyncio.sleep(self._sizes.settling_seconds)
        start, began = peer.spent(), time.perf_counter()
        await asyncio.sleep(self._sizes.idle_seconds)
        share = 100 * (peer.spent() - start) / (time.perf_counter() - began)
        _close(clients)
        return {MEMORY: used, IDLE: share}

    async def post(self, peer: Peer) -> Figures:
        """Post alone, and then many at once, each again as soon as the server has confirmed."""
        clients = await self._enter(peer, range(1, self._sizes.posters + 1), self._sizes.room_of)
        await self._calm(peer)
        lone = []
        for _ in self._until(self._sizes.messages):
            began = time.perf_counter()
            await clients[0].post(self._text())
            lone.append(time.perf_counter() - began)
        posted, turns = 0, self._until(self._sizes.posts)

        async def keep_posting(client: Client) -> None:
            nonlocal posted
            for _ in turns:
                await client.post(self._text())
                posted += 1

        start, began = peer.spent(), time.perf_counter()
        await asyncio.gather(*map(keep_posting, clients))
        seconds = time.perf_counter() - began
        await self._calm(peer)
        cost = (peer.spent() - start) / posted
        _close(clients)
        return {POST: 1e3 * cost, LONE: 1e3 * statistics.median(lone), RATE: posted / seconds}

    async def fan_out(self, peer: Peer) -> Figures:
        """Post to many readers of a room: five times a second, and then again as soon as everybody has it."""
        readers = range(1, self._sizes.readers + 1)
        *clients, author = await self._enter(peer, [*readers, readers[-1] + 1], lambda _: self._sizes.large_room)
        await self._calm(peer)
        crowd = Crowd(len(readers))
        for client in clients:
            client.count_for(crowd)
        steady, began = [], time.perf_counter()
        for number in self._until(25):
            await asyncio.sleep(began + number / 5 - time.perf_counter())
            steady.append(await self._reach_all(author, crowd))
        await asyncio.sleep(0.5)
        size = crowd.bytes / len(steady) / len(readers)
        start = peer.spent()
        latencies = [await self._reach_all(author, crowd) for _ in self._until(self._sizes.messages)]
        cost = (peer.spent() - start) / len(latencies) / len(readers)
        _close([*clients, author])
        p99 = statistics.quantiles(latencies, n=100, method="inclusive")[98] if len(latencies) > 1 else latencies[0]
        return {
            DELIVERY: 1e6 * cost,
            BYTES: size,
            LAST_50: 1e3 * statistics.median(latencies),
            LAST_99: 1e3 * p99,
            LAST_STEADY: 1e3 * statistics.median(steady),
        }

    async def read(self, peer: Peer) -> Figures:
        """Read the newest messages again and again."""
        (client,) = await self._enter(peer, [self._sizes.rooms], self._sizes.room_of)
        while await client.newest() < NEWEST:
            await client.post(self._text())
        await self._calm(peer)
        start, database, pages = peer.spent(), peer.spent_by_database(), 0
        for _ in self._until(self._sizes.pages):
            await client.newest()
            pages += 1
        cost, of_database = peer.spent() - start, peer.spent_by_database() - database
        client.close()
        return {PAGE: 1e3 * cost / pages, PAGE_DATABASE: 1e3 * of_database / pages}

    async def come_back(self, peer: Peer) -> Figures:
        """Crash and start again, miss messages, and return all at once."""
        room, people = self._sizes.returning_room, range(1, self._sizes.returning + 1)
        place = await peer.place(room)
        peer.kill()
        peer.start()
        (author,) = await self._enter(peer, [people[-1] + 1], lambda _: room)
        for _ in range(self._sizes.missed):
            last = self._text()
            await author.post(last)
        await self._calm(peer)
        turns = asyncio.Semaphore(peer.at_once)

        async def return_one(person: int) -> Client:
            async with turns:
                client = await peer.client(person)
                await client.return_to(room, place, last.partition(" ")[0].encode())
                return client

        start, began = peer.spent(), time.perf_counter()
        clients = await asyncio.gather(*map(return_one, people))
        seconds, cost = time.perf_counter() - began, peer.spent() - start
        _close([*clients, author])
        return {BACK: seconds, BACK_CPU: 1e3 * cost / len(people)}

    async def _enter(self, peer: Peer, people: Sequence[int], room_of: Callable[[int], int]) -> list[Client]:
        places = {room: await peer.place(room) for room in sorted(set(map(room_of, people)))}
        turns = asyncio.Semaphore(peer.at_once)

        async def enter(person: int) -> Client:
            async with turns:
                client = await peer.client(person)
                await client.enter(room_of(person), places[room_of(person)])
                return client

        return await asyncio.gather(*map(enter, people))

    async def _reach_all(self, author: Client, crowd: Crowd) -> float:
        """Return the seconds until a message has reached the last reader."""
        stamp = next(self._stamps)
        reached, began = crowd.reached(stamp), time.perf_counter()
        posting = asyncio.create_task(author.post(stamp_text(stamp) + TEXT))
        async with asyncio.timeout(60):
            seconds = await reached - began
        await posting
        return seconds

    async def _calm(self, peer: Peer) -> None:
        """Wait until the server has done little for a while, so that it has told of those who came and went."""
        quiet = 0
        for _ in range(30):
            start = peer.spent()
            await asyncio.sleep(0.5)
            quiet = quiet + 1 if peer.spent() - start < 0.03 else 0
            # simplechat tells once a second, in less than that.
            if quiet == 3:
                return

    def _text(self) -> str:
        return stamp_text(next(self._stamps)) + TEXT

    def _until(self, most: int) -> Iterable[int]:
        """Count, until it is enough or has taken long enough."""
        deadline = time.perf_counter() + self._sizes.seconds
        return itertools.takewhile(lambda _: time.perf_counter() < deadline, iter(range(most)))


def _memory(peer: Peer) -> int:
    return sum(process.memory_info().rss for process in peer.processes())


def _close(clients: Iterable[Client]) -> None:
    for client in clients:
        client.close()
