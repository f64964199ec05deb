"""In a chat of 5,000 people and a million messages, no statement's work grows with what it does not return."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.plans import acts
from tests.plans.allowed import MAY_READ, NOT_REACHED
from tests.plans.judging import Recorded, Work, rows_read, works_of
from tests.plans.large_chat import ALICE, fill
from tests.plans.recorder import FILE
from tests.plans.statements import Place, places
from tests.plans.visits import visit_everything
from tests.support.databases import query
from tests.support.hostile_pages import hostile_pages
from tests.support.server import ChatServer
from tests.support.settled import settled_database, settled_person

# With a broker, so that the limits are counted in the database.
SETTINGS = {"MAX_UPLOADS": "10000", "MAX_STORAGE": "1000000", "LINK_PREVIEWS": "yes", "LINK_PREVIEW_ALLOW": "127.0.0.1"}
CHECKS = {"rooms/seats.py expelled_from", "rooms/seats.py state_of", "rooms/read_positions.py counts_above"}
# The sidebar as it was: it sorts the members of all rooms, and shows those of direct conversations.
WASTEFUL = """
    EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT mine.id, names
    FROM (SELECT rooms.id, kind FROM memberships JOIN rooms ON id = room_id WHERE user_id = $1) AS mine
    LEFT JOIN LATERAL (
        SELECT array_agg(users.name ORDER BY users.name) AS names
        FROM memberships AS other JOIN users ON users.id = other.user_id WHERE other.room_id = mine.id
    ) AS others ON mine.kind = 'direct'
    LIMIT 100
"""


def recorded_in(file: Path) -> list[Recorded]:
    """Return what the server has written, without a line that it is writing."""
    return [json.loads(line) for line in file.read_text().rpartition("\n")[0].splitlines()]


def reached(file: Path, known: list[Place]) -> set[str]:
    """Return the functions whose every statement was sent."""
    seen = {(each["module"], each["line"]) for each in recorded_in(file)}
    missed = {place.name for place in known if not any(place.has(*each) for each in seen)}
    return {place.name for place in known} - missed


def until_reached(file: Path, known: list[Place]) -> None:
    """Wait until every statement was sent: some are those of background tasks."""
    deadline = time.monotonic() + 60
    while missed := {place.name for place in known} - reached(file, known) - NOT_REACHED:
        assert time.monotonic() < deadline, f"what sends these? tests/plans/acts.py does not: {missed}"
        time.sleep(1)


def faults_of(works: Iterator[Work], known: list[Place]) -> list[str]:
    """Return what read too much, the worst of each place."""
    worst: dict[str, Work] = {}
    for work in sorted(works, key=lambda work: work.read):
        name = next((place.name for place in known if place.has(work.module, work.line)), work.module)
        allowed, _ = MAY_READ.get(name, (0, ""))
        if work.is_too_much and work.read > allowed:
            worst[name] = work
    return list(map(str, worst.values()))


@contextmanager
def large_chat(plans: Path) -> Iterator[ChatServer]:
    with settled_database(["alice", "bob"]) as url:
        fill(url)
        server = ChatServer(url, **{**SETTINGS, "BROADCAST_URL": url, FILE: str(plans)})
        server.command = ["-m", "tests.plans.recorder"]
        try:
            server.start()
            yield server
        finally:
            server.remove()


def test_no_statement_reads_much_more_than_it_returns(tmp_path: Path) -> None:
    plans, known = tmp_path / "plans.jsonl", places()
    assert MAY_READ.keys() | NOT_REACHED <= {place.name for place in known}
    with large_chat(plans) as server, hostile_pages() as pages:
        alice, bob = (settled_person(server, name) for name in ("Alice Adams", "Bob Brown"))
        assert alice
        assert bob
        acts.everything(alice, bob, pages.page("/a", "<title>A page</title>"), lambda: reached(plans, known) >= CHECKS)
        visit_everything(alice)
        until_reached(plans, known)
        (explained,) = query(server.database_url, WASTEFUL, ALICE)
        assert rows_read(json.loads(explained[0])[0]["Plan"]) > 10_000
    assert not faults_of(works_of(recorded_in(plans)), known)
