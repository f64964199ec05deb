"""`GET /metrics`: figures of a chat with one process."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from chat.metrics.catalogue import METRICS, PREFIX
from tests.support.databases import fresh_database
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run, sign_up
from tests.support.redis_server import RedisServer
from tests.support.scrape import Scrape, scrape, until
from tests.support.server import ChatServer, ForkedServer
from tests.support.uploading import upload

TOKEN = "a token that only the tests use"


@pytest.fixture(scope="module")
def chat() -> Iterator[tuple[Person, Person, RedisServer]]:
    """Alice's chat with Bob, each on a process of their own, and their Redis."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database())
        redis = RedisServer()
        redis.start()
        stack.callback(redis.stop)
        servers = [ForkedServer(url, redis.url, METRICS_TOKEN=TOKEN), ForkedServer(url, redis.url)]
        for server in servers:
            stack.callback(server.remove)
            server.start()
        alice = first_run(servers[0])
        yield alice, sign_up(servers[1], "Bob Brown"), redis


def test_requests_count_by_route_and_status_never_by_path(chat: tuple[Person, Person, RedisServer]) -> None:
    alice, _, _ = chat
    before = scrape(alice.server)
    for path in ("/rooms/1", "/rooms/999", "/rooms/998", "/no/such/page", "/invite/a-secret-invite-token-of-somebody"):
        alice.client.get(path)
    alice.client.request("PURGE", "/rooms")
    after = scrape(alice.server)

    def more(**labels: str) -> float:
        return after.value("requests_total", **labels) - before.value("requests_total", **labels)

    assert more(method="GET", route="/rooms/{room_id}", status="200") == 1
    assert more(method="GET", route="/rooms/{room_id}", status="404") == 2
    assert more(route="none", status="404") == 1
    assert more(method="other") == 1
    routes = after.labels("requests_total", "route")
    assert "/invite/{token}" in routes
    assert not any("secret" in route or "99" in route for route in routes)
    count = "request_duration_seconds_count"
    assert after.value(count, route="/rooms/{room_id}") - before.value(count, route="/rooms/{room_id}") == 3


@pytest.mark.anyio
async def test_a_post_counts_once_and_its_delivery_on_each_process_with_its_lag(
    chat: tuple[Person, Person, RedisServer],
) -> None:
    alice, bob, _ = chat
    before, there = scrape(alice.server), scrape(bob.server)
    async with LiveClient(alice, 1), LiveClient(bob, 1) as second, LiveClient(bob, 1) as third:
        await asyncio.to_thread(alice.post, 1, "lunch at noon?")
        await second.until_shows("lunch at noon?")
        await third.until_shows("lunch at noon?")
        here, elsewhere = await asyncio.to_thread(scrape, alice.server), await asyncio.to_thread(scrape, bob.server)
        assert elsewhere.value("open_sockets") == 2
    assert here.value("posts_total") - before.value("posts_total") == 1
    assert elsewhere.value("posts_total") == there.value("posts_total")
    for after, earlier, readers in ((here, before, 1), (elsewhere, there, 2)):
        assert after.value("deliveries_total") - earlier.value("deliveries_total") == readers
        name = "delivery_lag_seconds"
        assert after.value(f"{name}_count") - earlier.value(f"{name}_count") == readers
        assert 0 < after.value(f"{name}_sum") - earlier.value(f"{name}_sum") < 60
    await asyncio.to_thread(until, bob.server, "open_sockets", 0)


class LoadedEarlier(LiveClient):
    """A page that connects as it was when it was loaded."""

    async def __aenter__(self) -> "LoadedEarlier":
        await super().__aenter__()
        return self

    async def load(self) -> None:
        if not self.epoch:
            await super().load()


@pytest.mark.anyio
async def test_a_reader_who_comes_back_counts_as_a_replay(chat: tuple[Person, Person, RedisServer]) -> None:
    alice, bob, _ = chat
    page = LoadedEarlier(bob, 1)
    await page.load()
    await asyncio.to_thread(alice.post, 1, "while you were away")
    before = await asyncio.to_thread(scrape, bob.server)
    async with page:
        await page.until_shows("while you were away")
    after = await asyncio.to_thread(scrape, bob.server)
    assert after.value("replays_total") - before.value("replays_total") == 1


@pytest.mark.anyio
async def test_a_lost_broker_shows_in_the_repairs_resyncs_and_reconnects(
    chat: tuple[Person, Person, RedisServer],
) -> None:
    alice, bob, redis = chat
    await asyncio.to_thread(until, bob.server, "broker_up", 1)
    before = await asyncio.to_thread(scrape, bob.server)
    async with LiveClient(bob, 1) as page:
        redis.kill()
        try:
            await asyncio.to_thread(until, bob.server, "broker_up", 0)
            await asyncio.to_thread(alice.post, 1, "the hard way")
            await page.until_shows("the hard way", within=30)
        finally:
            redis.start()
        after: Scrape = await asyncio.to_thread(until, bob.server, "broker_up", 1)
    repairs = "repairs_total"
    assert after.value(repairs, cause="comparison") - before.value(repairs, cause="comparison") >= 1
    assert after.value("delivery_lag_seconds_count") > before.value("delivery_lag_seconds_count")
    reconnects = "broker_reconnects_total"
    assert after.value(reconnects, purpose="receiving") - before.value(reconnects, purpose="receiving") >= 1
    await asyncio.to_thread(_until_more, bob.server, "resyncs_total", before.value("resyncs_total"))


def _until_more(server: ChatServer, name: str, than: float) -> None:
    while scrape(server).value(name) <= than:
        pass


def test_only_this_machine_or_a_bearer_of_the_token_reads_the_figures(chat: tuple[Person, Person, RedisServer]) -> None:
    alice, bob, _ = chat
    through_a_proxy = {"X-Forwarded-For": "203.0.113.7"}

    def status(person: Person, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(f"{person.server.url}/metrics", headers=named).status_code

    for person in (alice, bob):
        assert status(person) == 200
        assert status(person, X_Prometheus_Scrape_Timeout_Seconds="10") == 200
    # By a proxy on this machine that sets no known header, but passes on the chat's public name.
    for headers in (through_a_proxy, {"Host": "chat.example.org"}, {"X-Real-Ip": "203.0.113.7"}, {"X-Any": "thing"}):
        assert status(bob, **headers) == 404
        assert status(alice, **headers) == 401
        assert status(alice, **headers, Authorization=f"Bearer {TOKEN}") == 200
        for wrong in ("Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", TOKEN):
            assert status(alice, **headers, Authorization=wrong) == 401, wrong
    # A token is not asked for where there is none.
    assert status(bob, **through_a_proxy, Authorization=f"Bearer {TOKEN}") == 404
    refused = httpx.get(f"{alice.server.url}/metrics", headers=through_a_proxy)
    assert refused.headers["www-authenticate"] == "Bearer"
    alice.server.until_logged("status=401 method=GET path=/metrics")


def test_asking_for_the_figures_without_the_token_is_throttled(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url, RATE_LIMITS="1", METRICS_TOKEN=TOKEN)
    with httpx.Client(base_url=server.url, headers={"X-Forwarded-For": "203.0.113.7"}) as stranger:
        assert {stranger.get("/metrics").status_code for _ in range(1300)} == {401, 429}
        assert stranger.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert {httpx.get(f"{server.url}/metrics").status_code for _ in range(20)} == {200}


def test_an_uploaded_file_counts_with_its_bytes(chat: tuple[Person, Person, RedisServer]) -> None:
    alice, _, _ = chat
    before = scrape(alice.server)
    upload(alice, 1, "timetable.txt", b"maths at nine")
    after = scrape(alice.server)
    assert after.value("uploads_total") - before.value("uploads_total") == 1
    assert after.value("upload_bytes_total") - before.value("upload_bytes_total") == 13


def test_every_metric_of_the_catalogue_is_there_and_no_other(chat: tuple[Person, Person, RedisServer]) -> None:
    alice, _, _ = chat
    suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
    expected = {f"{PREFIX}{each.name}{suffix}" for each in METRICS.values() for suffix in suffixes[each.kind]}
    expected -= {f"{PREFIX}task_restarts_total"}  # until one restarts
    assert scrape(alice.server).names == expected


def test_without_its_database_the_chat_still_tells_its_figures(
    start_server: Callable[..., ChatServer], database_url: str
) -> None:
    server = start_server(database_url.replace("host=", "host=/nowhere"), DATABASE_POOL="2")
    found = scrape(server)
    assert found.value("database_up") == 0
    assert found.value("processes") == 1
    assert "simplechat_search_unindexed_messages" not in found.names
    assert found.value("database_connections_allowed") == 2
