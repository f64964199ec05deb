"""The beat: an idle process wakes once a second, at rest still less often, and finds what others wrote."""

import time
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from chat import beat as beats
from chat.beat import REST, beat, beat_or_rest, until_beat
from chat.ids import Revision, UserId
from chat.live.brokers.broker import create_broadcast
from chat.live.bus import Bus
from chat.live.hub import Hub
from chat.live.presence import LINGER_SECONDS, Presence
from tests.live.test_revision_rule import EPOCH, FakeHistory, Page, visiting
from tests.support.databases import execute, query
from tests.support.people import Person
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.anyio

COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


async def test_beats_of_one_length_come_together_and_longer_ones_with_shorter_ones() -> None:
    moments: dict[float, list[float]] = {0.1: [], 0.2: []}

    async def follow(every: float, pause: float) -> None:
        await anyio.sleep(pause)
        for _ in range(4):
            await beat(every)
            moments[every].append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        for every in moments:
            tasks.start_soon(follow, every, 0)
            tasks.start_soon(follow, every, 0.03)
    began = min(moments[0.1])
    for each in (*moments[0.1], *moments[0.2]):
        apart = (each - began) / 0.1
        assert abs(apart - round(apart)) < 0.4
    assert 0 < until_beat(60) <= 60


async def test_an_idle_process_asks_the_database_once_a_second(alice: Person) -> None:
    url = alice.server.database_url

    async def commits_a_second() -> float:
        before, began = query(url, COMMITS)[0][0], anyio.current_time()
        await anyio.sleep(10)
        return float(query(url, COMMITS)[0][0] - before) / (anyio.current_time() - began)

    # PostgreSQL may count a commit ten seconds late, so those of the first requests are in the first figures.
    figures = [await commits_a_second() for _ in range(2)]
    while min(figures) > 1.5 and len(figures) < 6:
        figures.append(await commits_a_second())
    assert min(figures) <= 1.5, figures
    assert max(figures) >= 0.5, "it still asks"


async def test_a_process_at_rest_wakes_a_few_times_in_ten_seconds(alice: Person) -> None:
    alice.server.stop()
    alice.server.command = ["-c", RESTING]
    alice.server.start()
    await anyio.sleep(3)
    figures: list[int] = []
    # A busy machine may wake it more often, and at first the pool closes idle connections.
    while len(figures) < 6 and min(figures, default=10) > 6:
        before = wakes(alice)
        await anyio.sleep(10)
        figures.append(wakes(alice) - before)
    assert min(figures) <= 6, figures
    assert max(figures) >= 1, "it still lives"


def wakes(person: Person) -> int:
    """Return how often the server's process has slept."""
    assert person.server.process is not None
    status = Path(f"/proc/{person.server.process.pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


PATIENCE = 3  # seconds, for a machine that stands still
# What another process would write, without telling anybody: what is to be done about it, and within how many seconds.
WRITTEN = {
    "a message to index": (
        "WITH room AS (UPDATE rooms SET revision = revision + 1 WHERE id = 1 RETURNING revision)"
        " UPDATE messages SET body = 'changed', body_html = '<p>changed</p>', revision = room.revision FROM room",
        "SELECT 1 FROM searchable WHERE text = 'changed'",
        1,
    ),
    "a link to look at": (
        "INSERT INTO links_to_show (message_id, origin) SELECT id, '' FROM messages",
        "SELECT 1 WHERE NOT EXISTS (SELECT FROM links_to_show WHERE due_at <= now())",
        1,
    ),
    "an object to delete": (
        f"INSERT INTO stray_objects (key) VALUES ('{uuid4()}')",
        "SELECT 1 WHERE NOT EXISTS (SELECT FROM stray_objects)",
        2,
    ),
}


@pytest.mark.parametrize("what", WRITTEN)
async def test_work_left_by_another_process_is_found_in_time(alice: Person, what: str) -> None:
    written, done, within = WRITTEN[what]
    url = alice.server.database_url
    await anyio.to_thread.run_sync(alice.post, 1, "as it was")
    await anyio.sleep(2)
    began = time.monotonic()
    await execute(url, written)
    while not await anyio.to_thread.run_sync(query, url, done):
        assert time.monotonic() - began < within + PATIENCE
        await anyio.sleep(0.05)


A_LONG_REST = 1_000_000.0
RESTING = (
    f"from chat import beat; beat.RESTS_AFTER_SECONDS, beat.RESTING_SECONDS = 0.3, {A_LONG_REST};"
    "from chat.__main__ import main; main(['serve'])"
)


@pytest.fixture
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process rests, and only a change ends that."""
    monkeypatch.setattr(beats, "RESTS_AFTER_SECONDS", 0)
    monkeypatch.setattr(beats, "RESTING_SECONDS", A_LONG_REST)


@pytest.mark.usefixtures("at_rest")
async def test_a_process_rests_until_it_hears_of_a_change() -> None:
    woken = anyio.Event()

    async def rest() -> None:
        await beat_or_rest(0.01)
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rest)
        await anyio.sleep(0.2)
        assert not woken.is_set()
        REST.end()
        with anyio.fail_after(20):
            await woken.wait()


@pytest.mark.usefixtures("at_rest")
async def test_a_process_at_rest_notices_that_somebody_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = create_broadcast(None)
    async with broker, anyio.create_task_group() as tasks:
        presence = Presence(Bus(broker, "this process", lambda _: None), "this process", lambda: None)
        tasks.start_soon(presence.run)
        presence.arrive(UserId(1), is_active=True)
        await anyio.sleep(0.5)  # at rest again
        monkeypatch.setattr(beats, "RESTS_AFTER_SECONDS", A_LONG_REST)
        presence.depart(UserId(1))
        with anyio.fail_after(LINGER_SECONDS + 20):
            while presence.online():
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()


@pytest.mark.usefixtures("unmeasured")
async def test_a_process_that_rested_makes_a_new_message_searchable(alice: Person) -> None:
    alice.server.stop()
    alice.server.command = ["-c", RESTING]
    alice.server.start()
    await anyio.sleep(3)
    await anyio.to_thread.run_sync(alice.post, 1, "after a rest")
    with anyio.fail_after(20):
        while not query(alice.server.database_url, "SELECT 1 FROM searchable WHERE text = 'after a rest'"):
            await anyio.sleep(0.05)


@pytest.mark.usefixtures("at_rest")
async def test_a_process_that_shares_a_broker_finds_lost_changes_without_a_rest(redis_server: RedisServer) -> None:
    history, broker = FakeHistory(), create_broadcast(redis_server.url)
    history.post()
    async with broker, anyio.create_task_group() as tasks:
        hub = Hub(broker, "this process", history, reload="")
        await tasks.start(hub.run)
        page = Page(1)
        async with visiting(hub, page.reader):
            await hub.replay(page.reader, Revision(1), str(EPOCH))
            await anyio.sleep(0.5)  # a process that rests is at rest again by then
            history.post()
            with anyio.fail_after(20):
                while page.cursor < 2:
                    await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
