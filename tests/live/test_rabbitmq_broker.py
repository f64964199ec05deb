"""The broker on RabbitMQ."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import aiormq
import pytest
from aiormq.abc import AbstractChannel

from chat.live.brokers.broker import RESYNC, create_broadcast
from chat.live.brokers.incoming import CAPACITY
from chat.live.brokers.rabbitmq import EXCHANGE
from tests.live.test_broker import administrator_reads, connected, messages_before, next_message, recovers_from, until
from tests.support.brokers import missing
from tests.support.passwords import PASSWORD, QUOTED
from tests.support.rabbitmq_server import RabbitServer
from tests.support.tls import Certificate

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(missing("rabbitmq") is not None, reason=str(missing("rabbitmq"))),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("rabbitmq"), "DNS:localhost")


@pytest.fixture(scope="module")
def rabbit(certificate: Certificate) -> Iterator[RabbitServer]:
    """A RabbitMQ of this file's own, with some users and with TLS."""
    server = RabbitServer(certificate)
    server.start()
    server.control("eval", ", ".join([*_new_user("chat", ".*"), *_new_user("reader", "amq.*")]) + ".")
    yield server
    server.stop()


def _new_user(name: str, may_write_to: str) -> list[str]:
    password = f'base64:decode(<<"{base64.b64encode(PASSWORD.encode()).decode()}">>)'
    rights = f'<<"{name}">>, <<"/">>, <<".*">>, <<"{may_write_to}">>, <<".*">>, <<"test">>'
    return [
        f'rabbit_auth_backend_internal:add_user(<<"{name}">>, {password}, <<"test">>)',
        f"rabbit_auth_backend_internal:set_permissions({rights})",
    ]


@asynccontextmanager
async def foreign(rabbit: RabbitServer) -> AsyncIterator[AbstractChannel]:
    """Another program that uses the same RabbitMQ."""
    connection = await aiormq.connect(f"{rabbit.url}?heartbeat=0")
    yield await connection.channel(publisher_confirms=False)
    await connection.close()


@pytest.mark.usefixtures("patient")
async def test_foreign_messages_neither_cause_resync_nor_stop_delivery(rabbit: RabbitServer) -> None:
    url = rabbit.url.replace("://", f"://chat:{QUOTED}@") + "/%2F"
    async with (
        foreign(rabbit) as channel,
        connected(url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        for name, body in ((RESYNC, b"a false alarm"), ("lobby", b"\xad")):
            await channel.basic_publish(body, exchange=EXCHANGE, routing_key=name)
        await channel.exchange_declare(EXCHANGE, passive=True)
        await broker.publish("lobby", "hello")
        assert await messages_before(lobby, "hello") == ["\ufffd"]
        with pytest.raises(TimeoutError):
            await next_message(resync, 0.1)


@pytest.mark.usefixtures("patient")
async def test_a_channel_with_too_long_a_name_is_refused_and_the_connection_is_kept(rabbit: RabbitServer) -> None:
    async with connected(rabbit.url) as broker, broker.subscribe("lobby") as lobby:
        await broker.publish("ö" * 128, "nowhere")
        await broker.publish("lobby", "hello")
        assert await messages_before(lobby, "hello") == []
        assert broker.dropped == 1


@pytest.mark.parametrize(
    ("part", "by", "trouble"),
    [
        ("://", "://chat:wrong@", "ACCESS_REFUSED"),
        ("://", f"://reader:{QUOTED}@", "ACCESS_REFUSED"),
        ("", "/nowhere", "it refuses the virtual host 'nowhere'"),
    ],
)
async def test_an_administrator_is_told_why_rabbitmq_cannot_be_used(
    rabbit: RabbitServer, part: str, by: str, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = create_broadcast(rabbit.url.replace(part, by) if part else rabbit.url + by)
    async with broker:
        await broker.publish("lobby", "hello")
        await until(lambda: trouble in str(broker.trouble))
    assert {record.name for record in caplog.records} == {"chat.live.brokers.broker"}
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("delete", [RabbitServer.delete_queues, RabbitServer.delete_exchange])
async def test_after_an_administrator_deletes_it_resync_comes_and_messages_arrive(
    rabbit: RabbitServer, delete: Callable[[RabbitServer], None]
) -> None:
    await recovers_from(partial(delete, rabbit), rabbit.url)


@pytest.mark.usefixtures("patient")
async def test_what_overflows_the_queue_at_rabbitmq_is_replaced_by_resync(rabbit: RabbitServer) -> None:
    async with (
        connected(rabbit.url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        flood = asyncio.to_thread(asyncio.run, _flood(rabbit))
        flooding = asyncio.create_task(flood)
        await asyncio.sleep(0.2)
        time.sleep(4)  # noqa: ASYNC251  the process hangs, so its queue grows at RabbitMQ
        await flooding
        assert await next_message(resync) == "overflow"
        await broker.publish("lobby", "the end")
        heard = await messages_before(lobby, "the end")
        assert 0 < len(heard) < 2 * CAPACITY


async def _flood(rabbit: RabbitServer) -> None:
    async with foreign(rabbit) as channel:
        for _ in range(2 * CAPACITY):
            await channel.basic_publish(b"x" * 5_000, exchange=EXCHANGE, routing_key="lobby")
        await channel.exchange_declare(EXCHANGE, passive=True)


@pytest.mark.usefixtures("patient")
async def test_after_a_crash_of_rabbitmq_resync_comes_and_messages_arrive(rabbit: RabbitServer) -> None:
    def crash() -> None:
        rabbit.kill()
        rabbit.start()

    await recovers_from(crash, rabbit.url)


@pytest.mark.usefixtures("patient")
async def test_rabbitmq_with_tls_is_used_if_its_certificate_is_trusted(
    rabbit: RabbitServer, certificate: Certificate
) -> None:
    url = f"amqps://chat:{QUOTED}@localhost:{rabbit.tls_port}"
    await administrator_reads(url, "certificate verify failed")
    for trusted in (f"{url}?ca={certificate.file}", f"{url}?verify=no"):
        async with connected(trusted) as broker, broker.subscribe("lobby") as lobby:
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"
