"""The torture test: `python -m tests.torture.run --seeds 3 --seconds 30`.

Three servers, one PostgreSQL, one broker, a network that misbehaves, 16 readers over 4 rooms, 8 writers, and a nemesis.
At the end every acknowledged change must be in the database, and every reader's view must be the room.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from chat.database import embedded
from chat.database.migrate import migrate
from tests.support.brokers import TORTURED, Machine, missing, remove
from tests.support.live_client import LiveClient
from tests.support.people import first_run, sign_up
from tests.support.server import ChatServer, ForkedServer
from tests.torture.files import check_files
from tests.torture.nemesis import Nemesis
from tests.torture.proxy import Network, Proxy, network_before
from tests.torture.statements import REFUSED_COMMITS, RESTORE, REVISION_LOG
from tests.torture.writers import DELETED, Writer

SERVERS, READERS, WRITERS, ROOMS = 3, 16, 8, 4
CRASH_POINTS = "after_piece:0.003,before_commit:0.001,after_commit:0.001,after_publish:0.001,after_reply:0.001"
# A hint that is not taken at once is dropped.
HAS_SHORT_QUEUES = [
    "-c",
    "from chat.live.brokers import incoming; incoming.CAPACITY = 1; from chat.__main__ import main; main(['serve'])",
]
PATIENCE, PATIENCE_AFTER_POSTGRES = 3.0, 10.0
GIVEN_UP = 30.0
LONGEST_REST = 180.0  # seconds besides the time of breaking things


@dataclass
class Result:
    """The result of a seed. We promise that `violations` is empty."""

    seed: int
    violations: list[str] = field(default_factory=list)
    writes: int = 0
    deliveries: int = 0
    retries: int = 0
    over_sockets: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    converged_in: float = 0.0


async def torture(
    seed: int,
    seconds: float,
    crowd: tuple[int, int] = (READERS, WRITERS),
    broker: str = "redis",
    patience: float = PATIENCE,
    *,
    is_harsh: bool = False,
) -> Result:
    """Run a seed with a crowd of readers and writers, and one of `BROKERS`.

    With `database`, the servers notify each other through their database. If it `is_harsh`, the broker suffers faults
    of its own kind and of its network, and one server has room for a single hint, which takes it long to start.

    A view that is not the room so many seconds after the last fault is a violation.
    """
    folder = Path(tempfile.mkdtemp(prefix="simplechat-torture-"))
    store = folder / "files"
    postgres = embedded.Server(folder / "postgres", {"max_connections": "300"})
    machine = None if broker == "database" else TORTURED[broker]()
    servers: list[ChatServer] = []
    try:
        url = postgres.start()
        await asyncio.to_thread(migrate, url)
        await _execute(url, REVISION_LOG + REFUSED_COMMITS)
        if machine:
            await asyncio.to_thread(machine.start)
        # Writers would wait for ever for a server that never comes back.
        async with AsyncExitStack() as stack, asyncio.timeout(seconds + LONGEST_REST):
            network = await stack.enter_async_context(network_before(machine)) if machine and is_harsh else None
            broker_url = network.url if network else machine.url if machine else url
            environment = {"BROADCAST_URL": broker_url, "CRASH_POINTS": CRASH_POINTS, "FILES_URL": str(store)}
            servers += [ForkedServer(url, **environment) for _ in range(SERVERS)]
            if is_harsh:
                servers[0].command = HAS_SHORT_QUEUES
            await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
            return await _rage(seed, seconds, crowd, servers, (machine, network), postgres, url, patience, store)
    finally:
        for server in servers:
            server.remove()
        if machine:
            remove(machine)
        postgres.stop()
        postgres.remove_socket()
        shutil.rmtree(folder, ignore_errors=True)


async def _rage(
    seed: int,
    seconds: float,
    crowd: tuple[int, int],
    servers: list[ChatServer],
    broker: tuple[Machine | None, Network | None],
    postgres: embedded.Server,
    url: str,
    patience: float,
    store: Path,
) -> Result:
    reading, writing = crowd
    machine, network = broker
    proxies = [Proxy(server.port) for server in servers]
    for proxy in proxies:
        await proxy.start()
    addresses = [f"http://127.0.0.1:{proxy.port}" for proxy in proxies]
    people = [await asyncio.to_thread(first_run, servers[0])]
    people += [await asyncio.to_thread(sign_up, servers[0], f"Person {number}") for number in range(1, writing)]
    rooms = [1, *[await asyncio.to_thread(people[0].create_room, f"Room {number}") for number in range(1, ROOMS)]]
    for person in people:
        for room in rooms:
            await asyncio.to_thread(person.join, room)
    writers = [
        Writer(person, addresses, rooms, random.Random(f"{seed}-{number}"), sends_files=True)
        for number, person in enumerate(people)
    ]
    loop = asyncio.get_running_loop()
    # Readers that load their page anew must not queue behind servers that start.
    loop.set_default_executor(ThreadPoolExecutor(128))
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(
                LiveClient(people[number % writing], rooms[number % ROOMS], urls=addresses, keeps_frames=False)
            )
            for number in range(reading)
        ]
        nemesis = Nemesis(seed, servers, proxies, machine, network, postgres, url, readers)
        until = loop.time() + seconds
        async with nemesis.supervision():
            await asyncio.gather(nemesis.rage(until), *(writer.write(until) for writer in writers))
            if machine:
                await asyncio.to_thread(machine.kill)
            await asyncio.gather(*(writers[number].post(rooms[number]) for number in range(ROOMS)))
            if machine:
                await asyncio.to_thread(machine.start)
        # A crash point may have killed a server at the very end.
        await nemesis.revive()
        result = Result(seed, faults=nemesis.faults)
        if nemesis.last_was_postgres:
            patience = max(patience, PATIENCE_AFTER_POSTGRES)
        result.converged_in = await _converge(result, readers, url, rooms, patience)
        result.violations += await _check_database(url, rooms, writers, await _truth(url, rooms))
        result.violations += await check_files(url, store, writers)
        await _execute(url, RESTORE)
        await asyncio.gather(*(writers[number].post(rooms[number]) for number in range(ROOMS)))
        await nemesis.revive()
        await _converge(result, readers, url, rooms, max(patience, PATIENCE_AFTER_POSTGRES))
        for reader in readers:
            result.violations += [f"shown twice: message {number}" for number in reader.doubled]
    for proxy in proxies:
        await proxy.stop()
    result.writes = sum(writer.acknowledged for writer in writers)
    result.retries = sum(writer.retries for writer in writers)
    result.over_sockets = sum(writer.posted_over_socket for writer in writers)
    result.deliveries = sum(reader.deliveries for reader in readers)
    return result


async def _converge(result: Result, readers: list[LiveClient], url: str, rooms: list[int], patience: float) -> float:
    """Wait until every view is the room; returns the seconds it took, and notes violations after `patience`."""
    healed = time.monotonic()
    truth = await _truth(url, rooms)
    late: list[str] = []
    while (behind := _behind(readers, truth)) and time.monotonic() - healed < GIVEN_UP:
        if time.monotonic() - healed > patience:
            late = late or behind
        await asyncio.sleep(0.02)
    taken = time.monotonic() - healed
    # A late view is a fault, too, but a smaller fault than a lost message.
    result.violations += [f"never: {view}" for view in behind] or [f"after {taken:.1f} s only: {view}" for view in late]
    return taken


async def _truth(url: str, rooms: list[int]) -> dict[int, list[tuple[int, str]]]:
    """Every room as the database has it: ids and texts in order."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT * FROM messages ORDER BY room_id, position")
    finally:
        await connection.close()
    truth: dict[int, list[tuple[int, str]]] = {room: [] for room in rooms}
    for row in rows:
        text = DELETED if row["deleted_at"] else row["body"] + (" (edited)" if row["edited_at"] else "")
        truth[row["room_id"]].append((row["id"], text))
    return truth


def _behind(readers: list[LiveClient], truth: dict[int, list[tuple[int, str]]]) -> list[str]:
    """The faults of the readers' views. A view that had to reload the page shows the end of the room."""
    wrong = []
    for number, reader in enumerate(readers):
        assert reader.room_id is not None
        shown = sorted(reader.view.items())
        expected = truth[reader.room_id]
        if shown:
            expected = [message for message in expected if message[0] >= shown[0][0]]
        if shown != expected or (not shown and expected):
            missing = len(set(expected) - set(shown))
            wrong.append(f"reader {number} of room {reader.room_id}: {missing} missing or stale, {len(shown)} shown")
    return wrong


async def _check_database(
    url: str, rooms: list[int], writers: list[Writer], truth: dict[int, list[tuple[int, str]]]
) -> list[str]:
    wrong = []
    stored = {message: (room, text) for room, found in truth.items() for message, text in found}
    for writer in writers:
        for message, text in writer.texts.items():
            if stored.get(message) != (writer.room_of[message], text):
                wrong.append(f"acknowledged but not in the database: {message} {text!r}: {stored.get(message)}")
    bodies = [text for found in truth.values() for _, text in found if text != DELETED]
    wrong += [f"stored twice: {text}" for text, count in Counter(bodies).items() if count > 1]
    wrong += [f"room {room}: not in order" for room, found in truth.items() if found != sorted(found)]
    connection = await asyncpg.connect(url)
    try:
        for room in rooms:
            head = await connection.fetchrow("SELECT revision, message_count FROM rooms WHERE id = $1", room)
            log = await connection.fetch("SELECT revision FROM revision_log WHERE room_id = $1 ORDER BY 1", room)
            if [row["revision"] for row in log] != list(range(1, head["revision"] + 1)):
                wrong.append(f"room {room}: revisions have gaps or repeat")
            if len(truth[room]) != head["message_count"]:
                wrong.append(f"room {room}: {len(truth[room])} messages, counted {head['message_count']}")
    finally:
        await connection.close()
    return wrong


async def _execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=30, help="how long each seed lasts")
    parser.add_argument("--readers", type=int, default=READERS, help="how many clients follow the rooms")
    parser.add_argument("--writers", type=int, default=WRITERS, help="how many people write")
    parser.add_argument(
        "--broker", choices=[*TORTURED, "database"], default="redis", help="the broker between the servers"
    )
    parser.add_argument("--until-violation", action="store_true", help="stop after the first seed that fails")
    arguments = parser.parse_args()
    if reason := missing(arguments.broker):
        sys.exit(reason)
    crowd = (arguments.readers, arguments.writers)
    results = []
    print(
        "| seed | writes | of these over sockets | deliveries | faults | retries | converged in | violations |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        try:
            result = asyncio.run(torture(seed, arguments.seconds, crowd, arguments.broker, is_harsh=True))
        except AssertionError as error:
            result = Result(seed, [f"a reader got an impossible frame: {error}"])
        results.append(result)
        print(_row(str(seed), [result]), flush=True)
        for violation in result.violations[:10]:
            print(f"    {violation}", flush=True)
        if result.violations and arguments.until_violation:
            break
    print(_row("all", results))
    kinds = sum((result.faults for result in results), Counter[str]())
    print("\nfaults:", ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in kinds.most_common()))
    sys.exit(any(result.violations for result in results))


def _row(name: str, results: list[Result]) -> str:
    figures = (
        sum(result.writes for result in results),
        sum(result.over_sockets for result in results),
        sum(result.deliveries for result in results),
        sum(sum(result.faults.values()) for result in results),
        sum(result.retries for result in results),
    )
    slowest = max(result.converged_in for result in results)
    violations = sum(len(result.violations) for result in results)
    return f"| {name} | {' | '.join(f'{figure:,}' for figure in figures)} | {slowest:.2f} s | {violations} |"


if __name__ == "__main__":
    main()
