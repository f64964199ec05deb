"""Redis with TLS, and the administrator's warning about a broker that is away."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from chat import reminder
from chat.live.brokers.broker import create_broadcast
from chat.settings import Settings
from tests.live.test_broker import connected, next_message, until
from tests.support.live_client import LiveClient
from tests.support.people import first_run
from tests.support.redis_server import RedisServer
from tests.support.server import SECRET_KEY, ChatServer
from tests.support.tls import Certificate, TlsFront

pytestmark = [pytest.mark.anyio]

LATE = "Messages arrive about a second late."


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path, "DNS:localhost")


@pytest.fixture
def redis_with_tls(redis_server: RedisServer, certificate: Certificate) -> Iterator[str]:
    """The address of a Redis with a self-signed certificate."""
    front = TlsFront(redis_server.port, certificate)
    yield f"rediss://127.0.0.1:{front.port}/0"
    front.stop()


async def test_two_servers_share_a_redis_with_a_self_signed_certificate(
    start_server: Callable[..., ChatServer], database_url: str, redis_with_tls: str
) -> None:
    one, two = (start_server(database_url, redis_with_tls, REDIS_TLS_VERIFY="no") for _ in range(2))
    alice = first_run(one)
    async with LiveClient(alice, 1, urls=[two.url]) as reader:
        assert (await asyncio.to_thread(alice.post, 1, "hello")).status_code == 200
        await reader.until_shows("hello")
    assert LATE not in alice.get("/admin").text
    assert "REDIS_TLS_VERIFY" not in one.log + two.log


async def test_an_untrusted_certificate_is_logged_with_the_setting_to_accept_it(
    start_server: Callable[..., ChatServer], database_url: str, redis_with_tls: str
) -> None:
    server = start_server(database_url, redis_with_tls)
    alice = first_run(server)
    await until(lambda: "Redis is away for subscribing" in server.log)
    # On a slow machine the first attempt may time out before it sees the certificate.
    await until(lambda: "REDIS_TLS_VERIFY=no" in alice.get("/admin").text)
    page = alice.get("/admin").text
    assert LATE in page
    assert "Redis cannot be reached" in page
    async with LiveClient(alice, 1) as reader:
        assert (await asyncio.to_thread(alice.post, 1, "hello")).status_code == 200
        await reader.until_shows("hello")


async def test_a_certificate_can_be_checked_against_a_private_authority(
    redis_with_tls: str, certificate: Certificate
) -> None:
    url = redis_with_tls.replace("127.0.0.1", "localhost") + f"?ssl_ca_certs={certificate.file}"
    async with connected(url) as broker, broker.subscribe("lobby") as lobby:
        await broker.publish("lobby", "hello")
        assert await next_message(lobby) == "hello"
        assert broker.trouble is None


@pytest.mark.parametrize(
    ("url", "verify", "chosen"),
    [
        ("rediss://h:6379/0", "no", "rediss://h:6379/0?ssl_cert_reqs=none"),
        ("rediss://h:6379/0?db=1", "no", "rediss://h:6379/0?db=1&ssl_cert_reqs=none"),
        ("rediss://h:6379/0", "", "rediss://h:6379/0"),
        ("rediss://h:6379/0", "yes", "rediss://h:6379/0"),
        ("redis://h:6379/0", "no", "redis://h:6379/0"),
    ],
)
async def test_a_certificate_is_checked_unless_the_setting_says_no(url: str, verify: str, chosen: str) -> None:
    environment = {"REDIS_URL": url, "REDIS_TLS_VERIFY": verify, "SECRET_KEY": SECRET_KEY}
    assert Settings.from_environment(environment).broadcast_url == chosen
    create_broadcast(chosen)


async def test_a_long_outage_of_a_broker_is_logged_repeatedly_and_blocks_no_post(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminder, "PAUSE_SECONDS", 1.0)
    caplog.set_level(logging.INFO, "chat.live.brokers.broker")

    def reminders() -> list[str]:
        return [record.getMessage() for record in caplog.records if "is still away" in record.getMessage()]

    async with connected(redis_server.url) as broker:
        assert broker.trouble is None
        redis_server.kill()
        await until(lambda: len(reminders()) >= 2)
        assert "Check REDIS_URL or BROADCAST_URL" in reminders()[0]
        assert "Redis cannot be reached" in str(broker.trouble)
        # Each subscription returns at once; fifty that wait would take fifty seconds.
        with anyio.fail_after(20):
            for number in range(50):
                async with broker.subscribe(f"room {number}"):
                    await broker.publish("lobby", "hello")
        redis_server.start()
        await until(lambda: broker.trouble is None)
        assert broker.backend.is_connected
