"""The broker on Redis."""

import pytest

from chat.live.brokers import remote
from chat.live.brokers.broker import RESYNC, create_broadcast
from tests.live.test_broker import connected, messages_before, next_message, until
from tests.support.redis_server import RedisServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("patient")]


async def test_foreign_messages_neither_cause_resync_nor_stop_delivery(redis_server: RedisServer) -> None:
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


async def test_a_channel_without_subscribers_is_unsubscribed_at_redis(redis_server: RedisServer) -> None:
    async with connected(redis_server.url) as broker:
        async with broker.subscribe("lobby"):
            assert redis_server.command("PUBSUB", "CHANNELS") == [b"lobby"]
        await until(lambda: redis_server.command("PUBSUB", "CHANNELS") == [])


async def test_refusals_are_counted_and_logged_once_and_the_connection_is_kept(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(redis_server.url) as broker, broker.subscribe("lobby") as lobby:
        redis_server.command("ACL", "SETUSER", "default", "-publish")
        for _ in range(3):
            await broker.publish("lobby", "refused")
        await until(lambda: broker.dropped == 3)
        assert broker.backend.is_connected
        assert len(caplog.records) == 1
        redis_server.command("ACL", "SETUSER", "default", "+publish")
        await broker.publish("lobby", "allowed")
        assert await messages_before(lobby, "allowed") == []


async def test_late_confirmations_cause_a_single_resync(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "CONFIRM_SECONDS", 0.3)
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


async def test_messages_sent_on_a_cut_connection_arrive_in_order(redis_server: RedisServer) -> None:
    async with connected(redis_server.url) as broker, broker.subscribe("lobby") as lobby:
        for number in range(0, 30, 10):
            redis_server.command("CLIENT", "KILL", "TYPE", "normal")
            words = [str(word) for word in range(number, number + 10)]
            for word in words:
                await broker.publish("lobby", word)
            assert [await next_message(lobby) for _ in words] == words
        assert broker.dropped == 0


async def test_a_url_without_a_redis_scheme_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="redis://"):
        create_broadcast("http://localhost")
