"""The contract of every broker, and of brokers whose server is killed, frozen or away."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest
from broadcaster._base import Subscriber

from chat.live.brokers.broker import RESYNC, Broker, create_broadcast
from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.outgoing import BATCH
from chat.live.brokers.remote import RemoteBackend
from tests.support.brokers import BROKERS, MORTAL, NAMES, THOROUGH, Machine, missing, remove
from tests.support.patience import be_patient
from tests.support.postgres_server import PostgresServer
from tests.support.redis_groups import ClusterGroup
from tests.support.redis_server import RedisServer
from tests.torture.proxy import Network, Proxy, network_before

pytestmark = pytest.mark.anyio


Outcome = TypeVar("Outcome")


@pytest.fixture(scope="module")
def machines() -> Iterator[Callable[[str], Machine]]:
    """Brokers of this file's own, each started when the first test asks for it."""
    started: dict[str, Machine] = {}

    def machine_of(broker: str) -> Machine:
        if broker not in started:
            if reason := missing(broker):
                pytest.skip(reason)
            machine = BROKERS[broker]()
            stack.callback(remove, machine)
            machine.start()
            started[broker] = machine
        return started[broker]

    with ExitStack() as stack:
        yield machine_of


@pytest.fixture(params=MORTAL)
def machine(request: pytest.FixtureRequest, machines: Callable[[str], Machine]) -> Iterator[Machine]:
    """The server behind a broker that crosses processes, to be killed at will."""
    found = machines(request.param)
    yield found
    found.resume()
    found.start()


@pytest.fixture
def mortals(machines: Callable[[str], Machine]) -> Iterator[dict[str, Machine]]:
    """Every such server that this machine has, for tests that wait for seconds."""
    found = {broker: machines(broker) for broker in MORTAL if not missing(broker)}
    yield found
    for machine in found.values():
        machine.resume()
    for machine in found.values():
        machine.start()


@pytest.fixture(params=["memory", *BROKERS])
def url(request: pytest.FixtureRequest, machines: Callable[[str], Machine]) -> str | None:
    """The contract holds for every broker we offer."""
    return None if request.param == "memory" else machines(request.param).url


@asynccontextmanager
async def connected(url: str | None) -> AsyncIterator[Broker]:
    """A process's broker, with its first RESYNC behind it."""
    broker = create_broadcast(url)
    async with broker:
        await until(lambda: broker.backend.is_connected)
        await anyio.lowlevel.checkpoint()
        yield broker


@asynccontextmanager
async def behind_network(machine: Machine) -> AsyncIterator[Network]:
    """A network before the broker that can be cut."""
    async with network_before(machine) as network:
        try:
            yield network
        finally:
            await asyncio.to_thread(machine.lead_through, machine.ports)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    with anyio.fail_after(seconds):
        while not condition():
            await anyio.sleep(0.01)


async def next_message(subscriber: Subscriber, seconds: float = 10.0) -> str:
    with anyio.fail_after(seconds):
        return str((await subscriber.get()).message)


def remote(broker: Broker) -> RemoteBackend[Any]:
    assert isinstance(broker.backend, RemoteBackend)
    return broker.backend


def is_of_library(task: asyncio.Task[object]) -> bool:
    """Tell whether a library started a task, which cannot be named then."""
    file = getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", "")
    return any(f"/{library}/" in file for library in ("aiormq", "aiokafka"))


def without_waiting(coroutine: Coroutine[object, None, Outcome]) -> Outcome:
    """Return the result of a coroutine that must not wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    pytest.fail("it waits for something")


async def publish_until_heard(broker: Broker, lobby: Subscriber, message: str) -> None:
    """Publish a message until it arrives: it may be lost before the sender notices that it is cut off, too."""
    with anyio.fail_after(20):
        while True:
            await broker.publish("lobby", message)
            with anyio.move_on_after(1):
                while await next_message(lobby) != message:
                    pass
                return


async def messages_before(subscriber: Subscriber, last: str) -> list[str]:
    messages = []
    while (message := await next_message(subscriber)) != last:
        messages.append(message)
    return messages


async def administrator_reads(url: str, reason: str) -> None:
    """Wait until the chat says why it cannot use a broker."""
    broker = create_broadcast(url)
    async with broker:
        await until(lambda: reason.lower() in str(broker.trouble).lower(), 20)


async def hears_resync_then_messages(broker: Broker, resync: Subscriber, lobby: Subscriber) -> None:
    """Fail unless the subscribers hear RESYNC, then a new message and nothing before it."""
    assert await next_message(resync) == "connected"
    await until(lambda: broker.backend.is_connected)
    await broker.publish("lobby", "new")
    assert await next_message(lobby) == "new"


async def at_once(test: Callable[[Machine], Coroutine[object, None, None]], machines: dict[str, Machine]) -> None:
    """Run a test of every broker at the same time; a failure names the brokers that fail."""

    async def run(broker: str, machine: Machine) -> None:
        try:
            await test(machine)
        except Exception as error:
            error.add_note(f"broker: {broker}")
            raise

    async with asyncio.TaskGroup() as tasks:
        for broker, machine in machines.items():
            tasks.create_task(run(broker, machine))


async def recovers_from(fault: Callable[[], None], url: str) -> None:
    """Fail unless RESYNC comes after a fault, and messages arrive again."""
    async with (
        connected(url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        await broker.publish("lobby", "before")
        assert await next_message(lobby) == "before"
        await asyncio.to_thread(fault)
        assert await next_message(resync, 30) == "connected"
        await until(lambda: broker.backend.is_connected)
        await publish_until_heard(broker, lobby, "after")


@pytest.mark.usefixtures("patient")
class TestEveryBroker:
    async def test_the_first_subscriber_hears_the_next_message(self, url: str | None) -> None:
        broker = create_broadcast(url)
        async with broker, broker.subscribe("lobby") as lobby:
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"

    async def test_messages_arrive_in_the_order_they_were_published(self, url: str | None) -> None:
        async with connected(url) as broker, broker.subscribe("lobby") as lobby:
            for number in range(1_000):
                await broker.publish("lobby", str(number))
            assert [await next_message(lobby) for _ in range(1_000)] == [str(number) for number in range(1_000)]

    async def test_any_text_arrives_unchanged(self, url: str | None) -> None:
        texts = ["Grüße 👋\r\n$3\r\nfoo", "", "x" * 100_000, "the same", "the same", "👋 " * 10_000]
        async with connected(url) as broker, broker.subscribe("the larger room: größer") as room:
            for text in texts:
                await broker.publish("the larger room: größer", text)
            assert [await next_message(room) for _ in texts] == texts

    async def test_a_subscriber_hears_only_its_own_channel(self, url: str | None) -> None:
        async with (
            connected(url) as broker,
            broker.subscribe("lobby") as lobby,
            broker.subscribe("attic") as attic,
        ):
            await broker.publish("attic", "upstairs")
            await broker.publish("cellar", "downstairs")
            await broker.publish("lobby", "here")
            assert await next_message(lobby) == "here"
            assert await next_message(attic) == "upstairs"

    async def test_two_subscribers_of_a_channel_both_hear_it(self, url: str | None) -> None:
        async with connected(url) as broker, broker.subscribe("lobby") as one, AsyncExitStack() as stack:
            second = broker.subscribe("lobby")
            other = without_waiting(second.__aenter__())
            stack.push_async_exit(second)
            await broker.publish("lobby", "hello")
            assert await next_message(one) == "hello"
            assert await next_message(other) == "hello"

    async def test_simultaneous_first_subscribers_all_hear(self, url: str | None) -> None:
        channels = ["lobby", "lobby", *(f"room {number}" for number in range(20))]
        heard: list[str] = []
        ready = anyio.Semaphore(0)

        async def listen(broker: Broker, channel: str) -> None:
            async with broker.subscribe(channel) as subscriber:
                ready.release()
                heard.append(await next_message(subscriber))

        async with connected(url) as broker, anyio.create_task_group() as tasks:
            for channel in channels:
                tasks.start_soon(listen, broker, channel)
            for _ in channels:
                await ready.acquire()
            for channel in set(channels):
                await broker.publish(channel, channel)
        assert sorted(heard) == sorted(channels)

    async def test_a_subscriber_that_joins_as_the_last_leaves_hears(self, url: str | None) -> None:
        async with connected(url) as broker:
            for number in range(30):
                last_one = broker.subscribe("lobby")
                await last_one.__aenter__()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(last_one.__aexit__, None, None, None)
                    if number % 2:
                        await anyio.lowlevel.checkpoint()
                    async with broker.subscribe("lobby") as lobby:
                        await broker.publish("lobby", "hello")
                        assert await next_message(lobby) == "hello"

    async def test_a_channel_without_subscribers_is_silent_until_the_next(self, url: str | None) -> None:
        async with connected(url) as broker:
            async with broker.subscribe("lobby") as lobby:
                await broker.publish("lobby", "before")
                assert await next_message(lobby) == "before"
            await broker.publish("lobby", "meanwhile")
            async with broker.subscribe("attic") as attic:
                await broker.publish("attic", "meanwhile is over")
                await next_message(attic)
            async with broker.subscribe("lobby") as lobby_again:
                await broker.publish("lobby", "after")
                assert await next_message(lobby_again) == "after"

    async def test_a_published_resync_is_ignored(self, url: str | None) -> None:
        async with (
            connected(url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            await broker.publish(RESYNC, "a false alarm")
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"
            with pytest.raises(TimeoutError):
                await next_message(resync, 0.1)

    async def test_a_full_queue_is_replaced_by_a_single_resync(self, url: str | None) -> None:
        backend = create_broadcast(url, capacity=10).backend
        await backend.connect()
        try:
            with anyio.fail_after(10):
                await backend.subscribe("lobby")
                if url:
                    assert (await backend.next_published()).message == "connected"
                for number in range(1, 26):
                    await backend.publish("lobby", str(number))
                await until(lambda: backend.dropped == 19)
                events = [await backend.next_published() for _ in range(7)]
                assert [event.channel for event in events] == [RESYNC] + 6 * ["lobby"]
                assert [event.message for event in events] == ["overflow", "20", "21", "22", "23", "24", "25"]
                await backend.publish("lobby", "after")
                assert (await backend.next_published()).message == "after"
        finally:
            await backend.disconnect()

    async def test_a_slow_subscriber_holds_a_bounded_queue_and_gets_resync(self, url: str | None) -> None:
        broker = create_broadcast(url, capacity=10)
        async with broker, broker.subscribe("lobby") as lobby, broker.subscribe(RESYNC) as resync:
            if url:
                assert await next_message(resync) == "connected"
            async with broker.subscribe("attic") as attic:
                for number in range(25):
                    await broker.publish("lobby", str(number))
                    await broker.publish("attic", str(number))
                    assert await next_message(attic) == str(number)
            assert await next_message(resync) == "overflow"
            assert [await next_message(lobby) for _ in range(5)] == ["20", "21", "22", "23", "24"]
            assert broker.dropped == 20

    async def test_closing_a_broker_ends_its_tasks(self, url: str | None) -> None:
        before = asyncio.all_tasks()
        async with connected(url) as broker, broker.subscribe("lobby"):
            ours = {task for task in asyncio.all_tasks() - before if not is_of_library(task)}
            assert ours
            assert all(task.get_name().startswith("broker") for task in ours)
        assert asyncio.all_tasks() == before
        assert not broker.backend.is_connected


@pytest.mark.usefixtures("patient")
class TestTwoProcesses:
    async def test_a_process_hears_messages_of_another(self, machine: Machine) -> None:
        async with (
            connected(machine.url) as here,
            connected(machine.url) as there,
            there.subscribe("lobby") as lobby,
        ):
            await here.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"

    async def test_the_last_messages_of_a_closing_process_are_heard(self, machine: Machine) -> None:
        words = [str(number) for number in range(3 * BATCH)]
        async with connected(machine.url) as there, there.subscribe("lobby") as lobby:
            async with connected(machine.url) as here:
                for word in words:
                    await here.publish("lobby", word)
            assert [await next_message(lobby) for _ in words] == words


@pytest.mark.parametrize("machine", THOROUGH, indirect=True)
class TestServerAway:
    async def test_a_process_started_before_its_server_hears_resync_then_messages(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.kill()
        broker = create_broadcast(machine.url)
        async with broker, broker.subscribe(RESYNC) as resync, broker.subscribe("lobby") as lobby:
            assert not broker.backend.is_connected
            be_patient(monkeypatch)
            machine.start()
            assert await next_message(resync) == "connected"
            await until(lambda: broker.backend.is_connected)
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"

    @pytest.mark.usefixtures("patient")
    async def test_after_a_server_crash_resync_comes_and_every_channel_works(self, machine: Machine) -> None:
        async with (
            connected(machine.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
            broker.subscribe("attic") as attic,
        ):
            for crash in range(3):
                machine.kill()
                await until(lambda: not broker.backend.is_connected)
                machine.start()
                assert await next_message(resync) == "connected"
                await until(lambda: broker.backend.is_connected)
                await broker.publish("lobby", f"lobby {crash}")
                await broker.publish("attic", f"attic {crash}")
                earlier = {f"{room} {before}" for room in ("lobby", "attic") for before in range(crash)}
                assert {*await messages_before(lobby, f"lobby {crash}")} <= earlier, "only repeated hints come between"
                assert {*await messages_before(attic, f"attic {crash}")} <= earlier

    @pytest.mark.usefixtures("patient")
    async def test_subscriptions_changed_during_an_outage_hold_after_it(self, machine: Machine) -> None:
        async with connected(machine.url) as broker, broker.subscribe(RESYNC) as resync:
            async with broker.subscribe("attic"):
                machine.kill()
                await until(lambda: remote(broker)._receiving.is_away)
            started = time.monotonic()
            async with broker.subscribe("lobby") as lobby:
                assert time.monotonic() - started < 10, "it would have waited a minute for a confirmation"
                machine.start()
                assert await next_message(resync) == "connected"
                await until(lambda: broker.backend.is_connected)
                await broker.publish("lobby", "hello")
                assert await next_message(lobby) == "hello"

    async def test_publishing_during_an_outage_returns_at_once_and_is_counted(self, machine: Machine) -> None:
        async with connected(machine.url) as broker:
            machine.kill()
            for _ in range(100):
                without_waiting(broker.publish("lobby", "hello"))
            await until(lambda: broker.dropped == 100)

    async def test_closing_during_an_outage_does_not_wait(self, machine: Machine) -> None:
        async def close() -> None:
            machine.start()
            broker = create_broadcast(machine.url)
            await broker.connect()
            await until(lambda: broker.backend.is_connected)
            machine.kill()
            leaving = asyncio.create_task(broker.disconnect())
            await asyncio.wait([leaving], timeout=15)
            assert leaving.done()

        for _ in range(3):
            await close()

    @pytest.mark.usefixtures("patient")
    async def test_a_full_outgoing_queue_drops_the_oldest_messages(self, machine: Machine) -> None:
        machine.kill()
        broker = create_broadcast(machine.url)
        async with broker:
            for number in range(CAPACITY + 7):
                await broker.publish("lobby", str(number))
            assert broker.dropped == 7

    async def test_no_flood_of_old_messages_follows_an_outage(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with (
            connected(machine.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            machine.kill()
            for number in range(5 * BATCH):
                await broker.publish("lobby", f"old {number}")
            await until(lambda: broker.dropped == 5 * BATCH)
            be_patient(monkeypatch)
            machine.start()
            await next_message(resync)
            await broker.publish("lobby", "new")
            assert await messages_before(lobby, "new") == []

    @pytest.mark.usefixtures("patient")
    async def test_the_log_has_a_line_for_the_outage_and_a_line_for_its_end(
        self, machine: Machine, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
    ) -> None:
        caplog.set_level(logging.DEBUG, "chat.live.brokers.broker")
        async with connected(machine.url) as broker:
            assert caplog.records == []
            machine.kill()
            await broker.publish("lobby", "hello")
            await until(lambda: len(caplog.records) == 2)
            await anyio.sleep(1)  # for attempts that are not logged
            machine.start()
            await until(lambda: broker.backend.is_connected)
        name = NAMES[request.node.callspec.params["machine"]]
        lines = sorted((record.levelname, record.getMessage().split(":")[0]) for record in caplog.records)
        assert lines == [
            ("INFO", f"{name} is back for publishing"),
            ("INFO", f"{name} is back for subscribing"),
            ("WARNING", f"{name} is away for publishing"),
            ("WARNING", f"{name} is away for subscribing"),
        ]


@pytest.mark.usefixtures("patient")
class TestConnectionCut:
    async def test_after_a_cut_subscription_resync_and_messages_arrive(self, machine: Machine) -> None:
        async with (
            behind_network(machine) as network,
            connected(network.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            for number in range(3):
                if isinstance(machine, RedisServer | PostgresServer | ClusterGroup):
                    machine.cut()  # the subscription only, from the server's side
                    assert await next_message(resync) == "connected"
                    await broker.publish("lobby", str(number))
                    assert await next_message(lobby) == str(number)
                else:
                    network.cut()
                    assert await next_message(resync) == "connected"
                    await publish_until_heard(broker, lobby, str(number))


class TestServerFrozen:
    async def test_frozen_servers_are_noticed_then_resync_and_messages_arrive(
        self, mortals: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noticed = asyncio.Barrier(len(mortals))

        async def freeze(machine: Machine) -> None:
            async with (
                connected(machine.url) as broker,
                broker.subscribe(RESYNC) as resync,
                broker.subscribe("lobby") as lobby,
            ):
                machine.pause()
                await until(lambda: remote(broker)._receiving.is_away and remote(broker)._sending.is_away, 6)
                assert not broker.backend.is_connected
                await noticed.wait()
                be_patient(monkeypatch)
                machine.resume()
                await hears_resync_then_messages(broker, resync, lobby)

        await at_once(freeze, mortals)

    @pytest.mark.parametrize("machine", THOROUGH, indirect=True)
    async def test_no_flood_of_old_messages_follows_a_thaw(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with connected(machine.url) as broker, broker.subscribe("lobby") as lobby:
            machine.pause()
            for _ in range(10):
                for _ in range(3 * BATCH):
                    await broker.publish("lobby", "old")
                await anyio.sleep(0.1)
            await anyio.sleep(1.2)
            assert broker.dropped >= 9 * 3 * BATCH
            be_patient(monkeypatch)
            machine.resume()
            await until(lambda: broker.backend.is_connected)
            await broker.publish("lobby", "new")
            assert len(await messages_before(lobby, "new")) <= 3 * BATCH, "only messages in flight at the freeze"

    @pytest.mark.parametrize("machine", THOROUGH, indirect=True)
    async def test_subscribing_and_leaving_do_not_hang_with_a_frozen_server(self, machine: Machine) -> None:
        async with connected(machine.url) as broker:
            machine.pause()
            started = time.monotonic()
            async with broker.subscribe("lobby"):
                assert time.monotonic() - started < 10
            await broker.publish("lobby", "hello")
            started = time.monotonic()
        assert time.monotonic() - started < 10


async def test_silently_dead_connections_are_noticed_and_replaced(
    mortals: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed = asyncio.Barrier(len(mortals))

    async def fall_silent(machine: Machine) -> None:
        async with (
            behind_network(machine) as network,
            connected(network.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            network.fall_silent()
            # All brokers, within the bounds that matter here; the rest of the test is about delivery.
            await until(lambda: remote(broker)._receiving.is_away and remote(broker)._sending.is_away, 20)
            await noticed.wait()
            be_patient(monkeypatch)
            network.speak()
            await hears_resync_then_messages(broker, resync, lobby)

    await at_once(fall_silent, mortals)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("machine", ["nats", "rabbitmq", "kafka"], indirect=True)
async def test_when_the_first_of_two_addresses_is_gone_the_second_is_used(machine: Machine) -> None:
    first, second = (Proxy(*machine.ports) for _ in range(2))
    await first.start()
    await second.start()
    (port,) = machine.ports
    await asyncio.to_thread(machine.lead_through, [second.port])
    url = machine.url.replace(f"127.0.0.1:{port}", f"127.0.0.1:{first.port},127.0.0.1:{second.port}")
    async with (
        connected(url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        await first.stop()
        second.cut()
        assert await next_message(resync) == "connected"
        await publish_until_heard(broker, lobby, "hello")
    await second.stop()
    await asyncio.to_thread(machine.lead_through, machine.ports)
