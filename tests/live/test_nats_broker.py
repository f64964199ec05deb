"""The broker on NATS."""

import json
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from chat.live.brokers.broker import RESYNC, create_broadcast
from tests.live.test_broker import connected, messages_before, next_message, until
from tests.support.brokers import missing
from tests.support.nats_server import NatsServer
from tests.support.tls import Certificate

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(missing("nats") is not None, reason=str(missing("nats"))),
]

USERS = [
    {"user": "chat", "password": "p@ss:/word"},
    {"user": "reader", "password": "secret", "permissions": {"publish": "nothing"}},
    {"user": "writer", "password": "secret", "permissions": {"subscribe": "nothing"}},
]


def running(folder: Path, **configuration: object) -> Iterator[NatsServer]:
    file = folder / "nats.conf"
    file.write_text(json.dumps(configuration))
    server = NatsServer("--config", str(file))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A NATS that takes no long messages and knows some users."""
    yield from running(tmp_path_factory.mktemp("nats"), authorization={"users": USERS}, max_payload=1000)


@pytest.mark.usefixtures("patient")
async def test_foreign_messages_neither_cause_resync_nor_stop_delivery(strict: NatsServer) -> None:
    url = strict.url.replace("://", "://chat:p%40ss%3A%2Fword@") + "/club"
    foreign = await nats.connect(strict.url, user="chat", password="p@ss:/word")
    async with connected(url) as broker, broker.subscribe(RESYNC) as resync, broker.subscribe("a.*") as room:
        await foreign.publish("club.resync", b"a false alarm")
        await foreign.publish("simplechat.a%2E%2A", b"of another chat")
        await foreign.publish("club.a%2E%2A", b"\xad")
        for _ in range(2):  # the first PING of nats-py overtakes commands that are still queued
            await foreign.flush()
        await broker.publish("a.b", "of another room, which a wildcard would hear")
        await broker.publish("a.*", "hello")
        assert await messages_before(room, "hello") == ["\ufffd"]
        with pytest.raises(TimeoutError):
            await next_message(resync, 0.1)
    await foreign.close()


@pytest.mark.usefixtures("patient")
async def test_messages_that_are_too_long_are_counted_and_the_connection_is_kept(
    strict: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = strict.url.replace("://", "://chat:p%40ss%3A%2Fword@")
    async with connected(url) as broker, broker.subscribe("lobby") as lobby:
        for text in ("long " * 300, "long " * 300, "short"):
            await broker.publish("lobby", text)
        assert await messages_before(lobby, "short") == []
        assert broker.dropped == 2
        assert [record.getMessage() for record in caplog.records] == [
            "NATS refuses to publish: its max_payload is 1,000 bytes"
        ]


@pytest.mark.usefixtures("patient")
async def test_a_refusal_to_publish_is_counted_and_the_connection_is_kept(
    strict: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(strict.url.replace("://", "://reader:secret@")) as broker:
        for _ in range(3):
            await broker.publish("lobby", "refused")
        await until(lambda: broker.dropped == 3)
        assert broker.backend.is_connected
        assert "permissions violation for publish" in caplog.text.lower()
        assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("credentials", "trouble"),
    [("chat:wrong", "Authorization Violation"), ("", "Authorization Violation"), ("writer:secret", "Subscription")],
)
async def test_an_administrator_is_told_why_nats_cannot_be_used(
    strict: NatsServer, credentials: str, trouble: str
) -> None:
    broker = create_broadcast(strict.url.replace("://", f"://{credentials}@"))
    async with broker, broker.subscribe("lobby"):
        await until(lambda: trouble.lower() in str(broker.trouble).lower())


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path, "DNS:localhost")


@pytest.fixture
def encrypted(certificate: Certificate, tmp_path: Path) -> Iterator[str]:
    """The address of a NATS with a self-signed certificate."""
    for server in running(tmp_path, tls={"cert_file": str(certificate.file), "key_file": str(certificate.key)}):
        yield f"nats+tls://localhost:{server.port}"


async def test_nats_with_tls_is_used_if_its_certificate_is_trusted(encrypted: str, certificate: Certificate) -> None:
    broker = create_broadcast(encrypted)
    async with broker:
        await until(lambda: "certificate verify failed" in str(broker.trouble))
    for trusted in (f"{encrypted}?ca={certificate.file}", f"{encrypted}?verify=no"):
        async with connected(trusted) as trusting, trusting.subscribe("lobby") as lobby:
            await trusting.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"


async def test_an_address_with_tls_accepts_no_server_without(strict: NatsServer) -> None:
    broker = create_broadcast(strict.url.replace("nats://", "nats+tls://chat:p%40ss%3A%2Fword@"))
    async with broker:
        await until(lambda: "has no TLS" in str(broker.trouble))
