"""The broker on Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from chat.live.brokers.broker import RESYNC
from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.kafka import SASL
from tests.live.test_broker import administrator_reads, connected, messages_before, next_message, recovers_from
from tests.support.brokers import missing
from tests.support.kafka_server import KafkaServer
from tests.support.passwords import PASSWORD, QUOTED
from tests.support.sasl_front import SaslFront
from tests.support.tls import Certificate, TlsFront

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(missing("kafka") is not None, reason=str(missing("kafka"))),
]

TOPIC = "simplechat"


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    """A Tansu of this file's own."""
    server = KafkaServer()
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def foreign(kafka: KafkaServer) -> AsyncIterator[AIOKafkaProducer]:
    """Another program that writes into our topic."""
    producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{kafka.port}")
    await producer.start()
    yield producer
    await producer.stop()


@pytest.mark.usefixtures("patient")
async def test_foreign_messages_neither_cause_resync_nor_stop_delivery(kafka: KafkaServer) -> None:
    async with (
        connected(kafka.url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
        foreign(kafka) as producer,
    ):
        for key, value in ((b"resync", b"a false alarm"), (None, b"x"), (b"\xad", b"x"), (b"lobby", b"\xad")):
            await producer.send_and_wait(TOPIC, value, key=key)
        await producer.send_and_wait(TOPIC, None, key=b"lobby")
        await broker.publish("lobby", "hello")
        assert await messages_before(lobby, "hello") == ["\ufffd", ""]
        with pytest.raises(TimeoutError):
            await next_message(resync, 0.1)


@pytest.mark.usefixtures("patient")
async def test_two_chats_with_topics_of_their_own_do_not_hear_each_other(kafka: KafkaServer) -> None:
    async with connected(f"{kafka.url}/club") as club, connected(f"{kafka.url}/class") as other:
        async with club.subscribe("lobby") as of_club, other.subscribe("lobby") as of_class:
            await club.publish("lobby", "of the club")
            await other.publish("lobby", "of the class")
            assert await next_message(of_club) == "of the club"
            assert await next_message(of_class) == "of the class"


async def test_after_an_administrator_deletes_the_topic_resync_comes_and_messages_arrive(kafka: KafkaServer) -> None:
    await recovers_from(kafka.delete_topic, kafka.url)


@pytest.mark.usefixtures("patient")
async def test_a_process_that_hung_for_long_skips_what_it_missed_and_resyncs(kafka: KafkaServer) -> None:
    async with (
        connected(kafka.url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        flooding = asyncio.create_task(asyncio.to_thread(asyncio.run, _flood(kafka)))
        await asyncio.sleep(0.2)
        time.sleep(4)  # noqa: ASYNC251  the process hangs, and the topic grows
        await flooding
        assert await next_message(resync) == "overflow"
        await broker.publish("lobby", "the end")
        assert len(await messages_before(lobby, "the end")) < 3 * CAPACITY


async def _flood(kafka: KafkaServer) -> None:
    async with foreign(kafka) as producer:
        for _ in range(4):
            await asyncio.gather(*[await producer.send(TOPIC, b"x" * 500, key=b"lobby") for _ in range(CAPACITY)])


async def test_kafka_with_tls_is_used_if_its_certificate_is_trusted(kafka: KafkaServer, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, "DNS:localhost", "IP:127.0.0.1")
    front = TlsFront(kafka.port, certificate)
    kafka.lead_through([front.port])
    url = f"kafka+tls://127.0.0.1:{front.port}"
    await administrator_reads(url, "add ?ca=/path/ca.pem to the address, or ?verify=no")
    async with connected(f"{url}?ca={certificate.file}") as trusting, trusting.subscribe("lobby") as lobby:
        await trusting.publish("lobby", "hello")
        assert await next_message(lobby) == "hello"
    front.stop()
    kafka.lead_through(kafka.ports)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_kafka_with_users_lets_in_those_who_know_the_password(
    kafka: KafkaServer, tmp_path: Path, is_encrypted: bool
) -> None:
    certificate = Certificate(tmp_path, "IP:127.0.0.1") if is_encrypted else None
    front = SaslFront(kafka.port, "chat,=", PASSWORD, certificate)
    kafka.lead_through([front.port])
    scheme, options = ("kafka+tls", f"&ca={certificate.file}") if certificate else ("kafka", "")
    for mechanism in SASL:
        url = f"{scheme}://chat%2C%3D:{QUOTED}@127.0.0.1:{front.port}?sasl={mechanism}{options}"
        async with connected(url) as broker, broker.subscribe("lobby") as lobby:
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"
        await administrator_reads(url.replace(QUOTED, "wrong"), "Invalid username or password")
    assert front.mechanisms == {*SASL}
    front.stop()
    kafka.lead_through(kafka.ports)


@pytest.mark.parametrize("mechanism", SASL)
async def test_an_administrator_is_told_why_kafka_cannot_be_used(
    mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = KafkaServer("--authentication")
    kafka.start()
    reason = "closed" if mechanism == "PLAIN" else "it refuses the user or the password"
    await administrator_reads(kafka.url.replace("://", "://chat:wrong@") + f"?sasl={mechanism}", reason)
    kafka.stop()
    assert "Traceback" not in caplog.text
