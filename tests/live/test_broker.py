"""The contract of every broker, and what the one on Redis does while Redis is killed, frozen or away."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketAttribute, SocketStream
from broadcaster._base import Subscriber

from chat.live.broker import RESYNC, Broker, MemoryBackend, RedisBackend, create_broadcast
from chat.live.incoming import CAPACITY
from chat.live.redis_backend import BATCH
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str | None:
    """The contract holds for every broker we offer."""
    if request.param == "memory":
        return None
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@asynccontextmanager
async def connected(redis_url: str | None) -> AsyncIterator[Broker]:
    """A process's broker, with its first RESYNC behind it."""
    broker = create_broadcast(redis_url)
    async with broker:
        await until(lambda: broker.backend.is_connected)
        await anyio.lowlevel.checkpoint()
        yield broker


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    with anyio.fail_after(seconds):
        while not condition():
            await anyio.sleep(0.01)


async def next_message(subscriber: Subscriber, seconds: float = 10.0) -> str:
    with anyio.fail_after(seconds):
        return str((await subscriber.get()).message)


async def messages_before(subscriber: Subscriber, last: str) -> list[str]:
    messages = []
    while (message := await next_message(subscriber)) != last:
        messages.append(message)
    return messages


class TestEveryBroker:
    async def test_the_first_to_subscribe_hears_what_is_published_right_after(self, redis_url: str | None) -> None:
        broker = create_broadcast(redis_url)
        async with broker, broker.subscribe("lobby") as lobby:
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"

    async def test_messages_arrive_in_the_order_they_were_published(self, redis_url: str | None) -> None:
        async with connected(redis_url) as broker, broker.subscribe("lobby") as lobby:
            for number in range(1_000):
                await broker.publish("lobby", str(number))
            assert [await next_message(lobby) for _ in range(1_000)] == [str(number) for number in range(1_000)]

    async def test_any_text_arrives_as_it_was(self, redis_url: str | None) -> None:
        text = "Grüße 👋\r\n$3\r\nfoo\0" + "x" * 100_000
        async with connected(redis_url) as broker, broker.subscribe("the larger room: größer") as room:
            await broker.publish("the larger room: größer", text)
            assert await next_message(room) == text

    async def test_a_channel_is_not_heard_in_another(self, redis_url: str | None) -> None:
        async with (
            connected(redis_url) as broker,
            broker.subscribe("lobby") as lobby,
            broker.subscribe("attic") as attic,
        ):
            await broker.publish("attic", "upstairs")
            await broker.publish("cellar", "downstairs")
            await broker.publish("lobby", "here")
            assert await next_message(lobby) == "here"
            assert await next_message(attic) == "upstairs"

    async def test_two_subscribers_of_a_channel_both_hear_it(self, redis_url: str | None) -> None:
        async with connected(redis_url) as broker, broker.subscribe("lobby") as one:
            started = time.monotonic()
            async with broker.subscribe("lobby") as other:
                assert time.monotonic() - started < 0.5
                await broker.publish("lobby", "hello")
                assert await next_message(one) == "hello"
                assert await next_message(other) == "hello"

    async def test_all_who_come_first_at_the_same_moment_hear(self, redis_url: str | None) -> None:
        channels = ["lobby", "lobby", *(f"room {number}" for number in range(20))]
        heard: list[str] = []
        ready = anyio.Semaphore(0)

        async def listen(broker: Broker, channel: str) -> None:
            async with broker.subscribe(channel) as subscriber:
                ready.release()
                heard.append(await next_message(subscriber))

        async with connected(redis_url) as broker, anyio.create_task_group() as tasks:
            for channel in channels:
                tasks.start_soon(listen, broker, channel)
            for _ in channels:
                await ready.acquire()
            for channel in set(channels):
                await broker.publish(channel, channel)
        assert sorted(heard) == sorted(channels)

    async def test_who_joins_while_the_last_one_leaves_hears(self, redis_url: str | None) -> None:
        async with connected(redis_url) as broker:
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

    async def test_a_channel_that_was_left_is_silent_until_one_returns(self, redis_url: str | None) -> None:
        async with connected(redis_url) as broker:
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

    async def test_nobody_rings_resync_from_outside(self, redis_url: str | None) -> None:
        async with (
            connected(redis_url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            await broker.publish(RESYNC, "a false alarm")
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"
            with pytest.raises(TimeoutError):
                await next_message(resync, 0.1)

    async def test_an_overflow_gives_way_to_one_resync_and_delivery_goes_on(self, redis_url: str | None) -> None:
        backend = RedisBackend(redis_url, capacity=10) if redis_url else MemoryBackend(capacity=10)
        await backend.connect()
        try:
            with anyio.fail_after(10):
                await backend.subscribe("lobby")
                if redis_url:
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

    async def test_leaving_ends_every_task(self, redis_url: str | None) -> None:
        before = asyncio.all_tasks()
        async with connected(redis_url) as broker, broker.subscribe("lobby"):
            assert all(task.get_name().startswith("broker") for task in asyncio.all_tasks() - before)
        assert asyncio.all_tasks() == before
        assert not broker.backend.is_connected


class TestTwoProcesses:
    async def test_what_one_publishes_the_other_hears(self, redis_server: RedisServer) -> None:
        async with (
            connected(redis_server.url) as here,
            connected(redis_server.url) as there,
            there.subscribe("lobby") as lobby,
        ):
            await here.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"

    async def test_the_last_words_of_one_that_leaves_are_heard(self, redis_server: RedisServer) -> None:
        words = [str(number) for number in range(3 * BATCH)]
        async with connected(redis_server.url) as there, there.subscribe("lobby") as lobby:
            async with connected(redis_server.url) as here:
                for word in words:
                    await here.publish("lobby", word)
            assert [await next_message(lobby) for _ in words] == words

    async def test_a_stranger_on_the_same_redis_neither_rings_resync_nor_stops_delivery(
        self, redis_server: RedisServer
    ) -> None:
        async with (
            connected(redis_server.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            redis_server.command("PUBLISH", RESYNC, "a false alarm")
            redis_server.command("EVAL", r"redis.call('publish', 'lobby', '\255')", "0")
            await broker.publish("lobby", "hello")
            assert await messages_before(lobby, "hello") == ["\ufffd"]
            with pytest.raises(TimeoutError):
                await next_message(resync, 0.1)

    async def test_a_channel_that_nobody_hears_any_more_is_left_at_redis_too(self, redis_server: RedisServer) -> None:
        async with connected(redis_server.url) as broker:
            async with broker.subscribe("lobby"):
                assert redis_server.command("PUBSUB", "CHANNELS") == [b"lobby"]
            await until(lambda: redis_server.command("PUBSUB", "CHANNELS") == [])


class TestRedisAway:
    async def test_one_started_before_redis_hears_resync_and_then_everything(self, redis_server: RedisServer) -> None:
        redis_server.kill()
        broker = create_broadcast(redis_server.url)
        async with broker, broker.subscribe(RESYNC) as resync, broker.subscribe("lobby") as lobby:
            assert not broker.backend.is_connected
            redis_server.start()
            assert await next_message(resync) == "connected"
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"

    async def test_a_crash_of_redis_is_answered_with_resync_and_every_channel_is_heard_again(
        self, redis_server: RedisServer
    ) -> None:
        async with (
            connected(redis_server.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
            broker.subscribe("attic") as attic,
        ):
            for crash in range(3):
                redis_server.kill()
                await until(lambda: not broker.backend.is_connected)
                redis_server.start()
                assert await next_message(resync) == "connected"
                await broker.publish("lobby", f"lobby {crash}")
                await broker.publish("attic", f"attic {crash}")
                assert await next_message(lobby) == f"lobby {crash}"
                assert await next_message(attic) == f"attic {crash}"

    async def test_channels_joined_and_left_meanwhile_are_as_wished_when_it_is_back(
        self, redis_server: RedisServer
    ) -> None:
        async with connected(redis_server.url) as broker, broker.subscribe(RESYNC) as resync:
            async with broker.subscribe("attic"):
                redis_server.kill()
                await until(lambda: not broker.backend.is_connected)
            started = time.monotonic()
            async with broker.subscribe("lobby") as lobby:
                assert time.monotonic() - started < 0.1
                redis_server.start()
                assert await next_message(resync) == "connected"
                await broker.publish("lobby", "hello")
                assert await next_message(lobby) == "hello"
                assert redis_server.command("PUBSUB", "CHANNELS") == [b"lobby"]

    async def test_publishing_meanwhile_neither_waits_nor_fails_and_is_counted(self, redis_server: RedisServer) -> None:
        async with connected(redis_server.url) as broker:
            redis_server.kill()
            for _ in range(100):
                started = time.monotonic()
                await broker.publish("lobby", "hello")
                assert time.monotonic() - started < 0.01
            await until(lambda: broker.backend.dropped == 100, 3)

    async def test_more_than_can_wait_pushes_out_the_oldest(self, redis_server: RedisServer) -> None:
        redis_server.kill()
        broker = create_broadcast(redis_server.url)
        async with broker:
            for number in range(CAPACITY + 7):
                await broker.publish("lobby", str(number))
            assert broker.backend.dropped == 7

    async def test_its_return_is_not_followed_by_a_flood_of_old_messages(self, redis_server: RedisServer) -> None:
        async with (
            connected(redis_server.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            redis_server.kill()
            for number in range(5 * BATCH):
                await broker.publish("lobby", f"old {number}")
            await anyio.sleep(1.2)
            redis_server.start()
            await next_message(resync)
            await broker.publish("lobby", "new")
            assert await messages_before(lobby, "new") == []
            assert broker.backend.dropped == 5 * BATCH

    async def test_the_log_has_a_line_for_its_loss_and_one_for_its_return(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "chat.live.broker")
        async with connected(redis_server.url) as broker:
            assert caplog.records == []
            redis_server.kill()
            await broker.publish("lobby", "hello")
            await anyio.sleep(2)
            redis_server.start()
            await until(lambda: broker.backend.is_connected)
        lines = sorted((record.levelname, record.getMessage().split(":")[0]) for record in caplog.records)
        assert lines == [
            ("INFO", "Redis is back for publishing"),
            ("INFO", "Redis is back for subscribing"),
            ("WARNING", "Redis is away for publishing"),
            ("WARNING", "Redis is away for subscribing"),
        ]


class TestConnectionCut:
    async def test_a_cut_subscription_is_answered_with_resync_and_delivery(self, redis_server: RedisServer) -> None:
        async with (
            connected(redis_server.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            for number in range(3):
                redis_server.command("CLIENT", "KILL", "TYPE", "pubsub")
                assert await next_message(resync) == "connected"
                await broker.publish("lobby", str(number))
                assert await next_message(lobby) == str(number)

    async def test_messages_that_meet_a_cut_connection_still_arrive_and_in_order(
        self, redis_server: RedisServer
    ) -> None:
        async with connected(redis_server.url) as broker, broker.subscribe("lobby") as lobby:
            for number in range(0, 30, 10):
                redis_server.command("CLIENT", "KILL", "TYPE", "normal")
                words = [str(word) for word in range(number, number + 10)]
                for word in words:
                    await broker.publish("lobby", word)
                assert [await next_message(lobby) for _ in words] == words
            assert broker.backend.dropped == 0

    async def test_refusals_are_counted_and_logged_once_and_the_connection_is_kept(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connected(redis_server.url) as broker, broker.subscribe("lobby") as lobby:
            redis_server.command("ACL", "SETUSER", "default", "-publish")
            for _ in range(3):
                await broker.publish("lobby", "refused")
            await until(lambda: broker.backend.dropped == 3)
            assert broker.backend.is_connected
            assert len(caplog.records) == 1
            redis_server.command("ACL", "SETUSER", "default", "+publish")
            await broker.publish("lobby", "allowed")
            assert await messages_before(lobby, "allowed") == []


class TestRedisFrozen:
    async def test_it_is_noticed_and_its_thaw_answered_with_resync_and_delivery(
        self, redis_server: RedisServer
    ) -> None:
        async with (
            connected(redis_server.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            redis_server.pause()
            await anyio.sleep(6)
            assert not broker.backend.is_connected
            redis_server.resume()
            assert await next_message(resync) == "connected"
            await until(lambda: broker.backend.is_connected)
            await broker.publish("lobby", "new")
            assert await next_message(lobby) == "new"

    async def test_its_thaw_is_not_followed_by_a_flood_of_old_messages(self, redis_server: RedisServer) -> None:
        async with connected(redis_server.url) as broker, broker.subscribe("lobby") as lobby:
            redis_server.pause()
            for _ in range(25):
                for _ in range(3 * BATCH):
                    await broker.publish("lobby", "old")
                await anyio.sleep(0.1)
            await anyio.sleep(1.2)
            redis_server.resume()
            await until(lambda: broker.backend.is_connected)
            await broker.publish("lobby", "new")
            assert len(await messages_before(lobby, "new")) <= BATCH
            assert broker.backend.dropped == 25 * 3 * BATCH

    async def test_subscribing_and_leaving_do_not_hang_with_it(self, redis_server: RedisServer) -> None:
        async with connected(redis_server.url) as broker:
            redis_server.pause()
            started = time.monotonic()
            async with broker.subscribe("lobby"):
                assert time.monotonic() - started < 1.5
            await broker.publish("lobby", "hello")
            started = time.monotonic()
        assert time.monotonic() - started < 1.0

    async def test_confirmations_that_come_late_bring_one_resync(self, redis_server: RedisServer) -> None:
        async with connected(redis_server.url) as broker, broker.subscribe(RESYNC) as resync:
            redis_server.pause()
            async with broker.subscribe("lobby") as lobby, broker.subscribe("attic") as attic:
                with pytest.raises(TimeoutError):
                    await next_message(resync, 0.1)
                redis_server.resume()
                assert await next_message(resync) == "connected"
                await broker.publish("lobby", "downstairs")
                await broker.publish("attic", "upstairs")
                assert await next_message(lobby) == "downstairs"
                assert await next_message(attic) == "upstairs"
                with pytest.raises(TimeoutError):
                    await next_message(resync, 0.1)


class SilentWay:
    """A way to Redis that can lose its connections without telling either end, as firewalls do."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._era = 0
        self._is_silent = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """The URL of the way's near end."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._connect)
            yield f"redis://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/0"
            tasks.cancel_scope.cancel()

    def fall_silent(self) -> None:
        self._era += 1
        self._is_silent = True

    def mend(self) -> None:
        """Let new connections through. The old ones stay dead."""
        self._era += 1
        self._is_silent = False

    async def _connect(self, near: SocketStream) -> None:
        async with near, await anyio.connect_tcp("127.0.0.1", self._port) as far, anyio.create_task_group() as tasks:
            tasks.start_soon(self._carry, self._era, near, far, tasks.cancel_scope)
            tasks.start_soon(self._carry, self._era, far, near, tasks.cancel_scope)

    async def _carry(self, era: int, source: SocketStream, target: SocketStream, ways: anyio.CancelScope) -> None:
        with suppress(anyio.BrokenResourceError):
            async for data in source:
                if era == self._era and not self._is_silent:
                    await target.send(data)
        ways.cancel()


async def test_connections_that_die_silently_are_noticed_and_replaced(redis_server: RedisServer) -> None:
    way = SilentWay(redis_server.port)
    async with (
        way.open() as url,
        connected(url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        way.fall_silent()
        await until(lambda: not broker.backend.is_connected)
        await anyio.sleep(0.5)
        way.mend()
        assert await next_message(resync) == "connected"
        await until(lambda: broker.backend.is_connected)
        await broker.publish("lobby", "hello")
        assert await next_message(lobby) == "hello"


async def test_a_url_that_is_not_of_redis_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="redis://"):
        create_broadcast("http://localhost")
