"""Redis away for a minute, then PostgreSQL for half a minute: `python -m tests.torture.outages`."""

import asyncio
import statistics
import time
from contextlib import ExitStack
from itertools import chain
from uuid import uuid4

import httpx

from tests.support.people import Person, first_run
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.server import ChatServer
from tests.torture.audience import Audience

Latencies = dict[str, list[float]]

READERS = 20  # on each of two servers
MESSAGES_A_SECOND = 10


async def without_redis(
    person: Person, other: ChatServer, redis: RedisServer, seconds: float
) -> dict[str, list[float]]:
    """Latencies at the readers of two servers before, while Redis is dead, and after. A post that fails is an error."""
    audience = Audience(person)
    for server in (person.server, other):
        await audience.gather(READERS, server.url)
    found: Latencies = {}
    for phase in ("before", "without Redis", "after"):
        if phase == "without Redis":
            redis.kill()
        if phase == "after":
            redis.start()
            await asyncio.sleep(2)
        messages = await audience.write(seconds if phase == "without Redis" else 10, MESSAGES_A_SECOND)
        assert all(len(latencies) == 2 * READERS for latencies in messages), "each reader has each message once"
        found[phase] = [*chain(*messages)]
    audience.close()
    return found


def without_postgres(person: Person, other: ChatServer, postgres: PostgresServer, seconds: float) -> float:
    """Seconds from PostgreSQL's return until a message that its author keeps retrying is accepted, once."""
    fields = {"body": "tried all the time", "client_id": str(uuid4())}
    postgres.kill()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        page, post = person.get("/rooms/1"), person.submit("/rooms/1/messages", fields, htmx=True)
        assert page.status_code == post.status_code == 503
        assert "database" in page.text
        time.sleep(0.5)
    postgres.start()
    back = time.monotonic()
    while person.submit("/rooms/1/messages", fields, htmx=True).status_code != 200:
        time.sleep(0.05)
    taken = time.monotonic() - back
    assert person.reads(1).count("tried all the time") == 1
    for server in (person.server, other):
        assert server.process is not None
        assert server.process.poll() is None, "no process exits"
        assert httpx.get(f"{server.url}/readyz").status_code == 200
    return taken


def main() -> None:
    with ExitStack() as stack:
        postgres, redis = PostgresServer(), RedisServer()
        stack.callback(postgres.remove)
        redis.start()
        stack.callback(redis.stop)
        servers = [ChatServer(postgres.url, redis.url) for _ in range(2)]
        for server in servers:
            stack.callback(server.remove)
            server.start()
        person = first_run(servers[0])
        print("| phase | deliveries | p50 | p99 | longest |\n|---|---|---|---|---|")
        for phase, latencies in asyncio.run(without_redis(person, servers[1], redis, 60)).items():
            hundredths = statistics.quantiles(latencies, n=100)
            figures = (hundredths[49], hundredths[98], max(latencies))
            print(
                f"| {phase} | {len(latencies):,} | {' | '.join(f'{figure:.3f} s' for figure in figures)} |", flush=True
            )
        taken = without_postgres(person, servers[1], postgres, 30)
        print(f"PostgreSQL away for 30 s: the message went {taken:.2f} s after it was back, once; no process ended")


if __name__ == "__main__":
    main()
