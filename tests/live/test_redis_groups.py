"""The broker on a Redis that Sentinel watches, and on a Redis Cluster."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from chat.live.brokers.broker import RESYNC, create_broadcast
from tests.live.test_broker import administrator_reads, connected, messages_before, next_message, recovers_from, until
from tests.support.brokers import missing
from tests.support.passwords import PASSWORD, QUOTED
from tests.support.ports import free_port
from tests.support.redis_groups import SERVICE, ClusterGroup, Sentinel, SentinelGroup
from tests.support.redis_server import ValkeyServer
from tests.support.tls import Certificate, TlsFront

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(missing("cluster") is not None, reason=str(missing("cluster"))),
]


@pytest.fixture(scope="module")
def group() -> Iterator[SentinelGroup]:
    """A master with a replica, and a Sentinel that knows both."""
    group = SentinelGroup(has_replica=True)
    group.start()
    yield group
    group.start()
    group.stop()


async def test_an_administrator_is_told_that_sentinel_knows_no_such_service(group: SentinelGroup) -> None:
    broker = create_broadcast(group.url.replace(SERVICE, "other"))
    async with broker:
        await until(lambda: "Sentinel knows no master of the name 'other'" in str(broker.trouble))


LET_IN = ("ACL", "SETUSER", "chat", "on", f">{PASSWORD}", "+@all", "&*")


@pytest.mark.usefixtures("patient")
async def test_sentinels_and_their_master_have_tls_and_passwords_of_their_own(tmp_path: Path) -> None:
    group, certificate = SentinelGroup(), Certificate(tmp_path, "IP:127.0.0.1")
    group.start()
    sentinel, master = (TlsFront(port, certificate) for port in (group.sentinel.port, group.port))
    group.lead_through([master.port])
    group.master.command(*LET_IN)
    group.sentinel.command("ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}s")
    options = f"ssl_ca_certs={certificate.file}&sentinel_password={QUOTED}s"
    url = f"rediss+sentinel://chat:{QUOTED}@127.0.0.1:{sentinel.port}/{SERVICE}?{options}"
    async with connected(url) as broker, broker.subscribe("lobby") as lobby:
        await broker.publish("lobby", "hello")
        assert await next_message(lobby) == "hello"
        assert "lobby" in group.master.texts("PUBSUB", "CHANNELS")
    for wrong in (url.replace(f":{QUOTED}@", ":wrong@"), url.replace(f"={QUOTED}s", "=wrong")):
        await administrator_reads(wrong, "invalid username-password pair")
    for server in (sentinel, master, group):
        server.stop()


@pytest.mark.usefixtures("patient")
async def test_a_sentinel_that_hangs_is_passed_over(group: SentinelGroup) -> None:
    # With a master of its own: the other Sentinel would count on the vote of one that it has heard of.
    hanging = Sentinel(free_port())
    hanging.start()
    hanging.pause()
    url = group.url.replace("://", f"://127.0.0.1:{hanging.port},")
    for _ in range(4):  # they are asked in any order
        async with connected(url) as broker, broker.subscribe("lobby") as lobby:
            await broker.publish("lobby", "hello")
            assert await next_message(lobby) == "hello"
            assert broker.trouble is None
            assert broker.backend.reconnects == {"receiving": 0, "sending": 0}
    hanging.stop()


@pytest.mark.usefixtures("patient")
async def test_when_replicas_become_the_master_resync_comes_and_messages_arrive(group: SentinelGroup) -> None:
    first, second = group.members[:2]
    async with (
        connected(group.url) as broker,
        broker.subscribe(RESYNC) as resync,
        broker.subscribe("lobby") as lobby,
    ):
        await asyncio.to_thread(first.kill)
        assert await next_message(resync, 30) == "connected"
        await until(lambda: broker.backend.is_connected, 30)
        await broker.publish("lobby", "after the crash")
        assert await next_message(lobby) == "after the crash"
        assert "lobby" in second.texts("PUBSUB", "CHANNELS")


@pytest.mark.usefixtures("patient")
async def test_a_server_that_is_no_longer_the_master_is_left(group: SentinelGroup) -> None:
    second = group.members[1]
    async with connected(group.url) as broker, broker.subscribe("lobby"):
        await until(lambda: "lobby" in second.texts("PUBSUB", "CHANNELS"))
        second.command("REPLICAOF", "127.0.0.1", str(group.port))
        second.command("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: "slave, not the master" in str(broker.trouble))


@pytest.mark.usefixtures("patient")
async def test_a_master_that_sentinel_no_longer_names_is_left_though_it_answers(group: SentinelGroup) -> None:
    old, new = group.server(), group.server()
    old.start()
    new.start()
    _monitor(group, old)
    async with connected(group.url) as broker, broker.subscribe(RESYNC) as resync, broker.subscribe("lobby") as lobby:
        await until(lambda: "lobby" in old.texts("PUBSUB", "CHANNELS"))
        _monitor(group, new)
        assert await next_message(resync, 30) == "connected"
        await until(lambda: new.command("PUBSUB", "NUMSUB", "lobby") != [b"lobby", 0] and broker.backend.is_connected)
        await broker.publish("lobby", "hello")
        assert await next_message(lobby) == "hello"
    old.stop()
    new.stop()


def _monitor(group: SentinelGroup, master: ValkeyServer) -> None:
    group.sentinel.command("SENTINEL", "REMOVE", SERVICE)
    group.sentinel.command("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", str(master.port), "1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterGroup]:
    """Two nodes of this file's own."""
    cluster = ClusterGroup()
    cluster.start()
    yield cluster
    cluster.stop()


ROOMS = [f"room:{number}" for number in range(40)]  # on both nodes


@pytest.mark.usefixtures("patient")
async def test_a_room_is_heard_by_a_single_node_of_the_cluster(cluster: ClusterGroup) -> None:
    async with connected(cluster.url) as broker:
        for room in ROOMS:
            await broker.backend.subscribe(room)
        found = [repr(member.command("PUBSUB", "SHARDCHANNELS")) for member in cluster.members]
        heard = [[room for room in ROOMS if f"'{room}'" in channels] for channels in found]
        assert sorted(heard[0] + heard[1]) == sorted(ROOMS)
        assert all(heard)
        assert all(key_slot(room.encode()) < 8192 for room in heard[0])


@pytest.mark.usefixtures("patient")
async def test_when_a_slot_moves_to_another_node_resync_comes_and_messages_arrive(cluster: ClusterGroup) -> None:
    slot = key_slot(b"lobby")
    first, second = cluster.members if slot < 8192 else cluster.members[::-1]
    for owner in (second, first):
        async with (
            connected(cluster.url) as broker,
            broker.subscribe(RESYNC) as resync,
            broker.subscribe("lobby") as lobby,
        ):
            cluster.move_slot("lobby", owner)
            assert await next_message(resync, 20) == "connected"
            await broker.publish("lobby", "hello")
            assert await next_message(lobby, 20) == "hello"


@pytest.mark.usefixtures("patient")
async def test_refusals_of_a_cluster_are_counted_and_logged_once(
    cluster: ClusterGroup, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(cluster.url) as broker, broker.subscribe("lobby") as lobby:
        for member in cluster.members:
            member.command("ACL", "SETUSER", "default", "-spublish")
        for room in ROOMS:
            await broker.publish(room, "refused")
        await until(lambda: broker.dropped == len(ROOMS))
        for member in cluster.members:
            member.command("ACL", "SETUSER", "default", "+spublish")
        assert broker.backend.is_connected
        assert len(caplog.records) == 1
        await broker.publish("lobby", "allowed")
        assert await messages_before(lobby, "allowed") == []


@pytest.mark.usefixtures("patient")
async def test_when_a_node_of_the_cluster_dies_its_replica_is_used() -> None:
    cluster = ClusterGroup(masters=3, replicas=1)
    cluster.start()
    *masters, replica = cluster.members
    master = masters[3 * key_slot(b"lobby") // 16384]
    cluster.replicate(master, replica)
    await recovers_from(master.kill, cluster.url)
    assert "master" in repr(replica.command("ROLE"))
    cluster.stop()
