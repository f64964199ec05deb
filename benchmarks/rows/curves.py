"""Costs against the members of a room, the rooms of a person, messages, open pages and processes, each as a curve."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

from benchmarks.chat import Author, Chat
from benchmarks.curves import Curve, chart, table
from benchmarks.measure import SERVER_CORE, Http, Line, Readers, cpu, pin, stamp_text
from benchmarks.report import DOCS, GROWTH, write_part
from benchmarks.rows.nodes import delivery_costs
from benchmarks.rows.pages import fill
from tests.support.databases import execute
from tests.support.databases import run as run_sql

MEMBERS, ROOMS = (10, 100, 1_000, 10_000), (1, 10, 100, 1_000)
MESSAGES, OPEN_PAGES = (1_000, 10_000, 100_000, 1_000_000), (100, 500, 2_000, 5_000)
REQUESTS, SEARCHES, DELIVERIES, ROOMS_WITH_MESSAGES = 200, 50, 60_000, 100
SETTLE_SECONDS, IDLE_SECONDS = 6, 20
PAGE, POST, RARE, FREQUENT = "a room's page", "a post", "a search, 20 messages match", "a search, 1 in 100 matches"
MEMORY, IDLE, DELIVERY, CAPACITY = (
    "memory of a process",
    "an idle second",
    "a message to all pages",
    "deliveries a second",
)
BY_MEMBERS, BY_ROOMS, BY_MESSAGES, BY_PAGES = (
    "members of the room",
    "rooms of the person",
    "messages in the database",
    "open pages",
)
FLAT, IN_PROPORTION = 0.1, 0.9  # an exponent of 0.1 is a quarter more for ten times as many
FLAT_WORK = {(PAGE, BY_MEMBERS), (POST, BY_MEMBERS), (PAGE, BY_MESSAGES), (POST, BY_MESSAGES), (RARE, BY_MESSAGES)}
INTRODUCTION = """## How costs grow

`python -m benchmarks curves` measured this. Repetitions at each size: {repetitions}. A figure is the median CPU time of
the server and its database, or for open pages and processes of the server alone; memory is that of the whole process.
The exponent is the slope of the line through the points of a curve: 0 means that it costs the same however many there
are, 1 that it grows in proportion, 0.5 that a hundred times as many cost ten times as much. Nothing is subtracted:
where a fixed part outweighs the rest, the exponent of all sizes is less than that of the last step, from the second
largest size to the largest.

![Curves of growth](growth.svg)

"""
REASONS = """
- A room's page counts the members of the room, which takes the database 0.7 ms with 10,000. It lists up to 50
  rooms of the person, and to choose them the database sorts all.
- A search weighs the newest 1,000 messages that match. In a small chat fewer do.
- An idle second has a heartbeat for each open page now and then, and work of the process itself, such as comparing its
  rooms with the database.
- All processes were measured on one core.
"""

# Room n + 1 has the nth of these numbers of members, and the administrator is in each.
ROOMS_BY_MEMBERS = """
    INSERT INTO memberships (room_id, user_id, role)
    SELECT 1 + number, users.id, 'member'
    FROM unnest($1::int[]) WITH ORDINALITY AS wanted (size, number), users WHERE users.id <= size
    ON CONFLICT DO NOTHING
"""
# The nth person after the administrator is in so many rooms.
PEOPLE_BY_ROOMS = """
    INSERT INTO memberships (room_id, user_id, role)
    SELECT rooms.id, 1 + number, 'member'
    FROM unnest($1::int[]) WITH ORDINALITY AS wanted (size, number), rooms WHERE rooms.id <= size
    ON CONFLICT DO NOTHING
"""
# In the rooms from 2 on; posts go to room 1. Few words are frequent, most are rare (Zipf's law), as in a language: by
# that the planner decides. Building indexes when the tables are full takes a third of the time.
MORE_MESSAGES = """
    SET session_replication_role = replica;
    UPDATE pg_index SET indisready = false, indisvalid = false
    WHERE indrelid IN ('messages'::regclass, 'searchable'::regclass);
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT rooms.id, 1, gen_random_uuid(), said, '<p>' || said || '</p>', false, false, place, place, place,
        now() - interval '1 second' * ({count} - place * {rooms})
    FROM rooms, generate_series(message_count + 1, {count} / {rooms}) AS place, LATERAL (
        SELECT concat_ws(' ', string_agg(translate(left(md5(round(power(50000, random()))::text), 6), '0123456789',
            'ghijklmnop'), ' '), CASE WHEN rooms.id <= 11 AND place <= 2 THEN 'needle' END,
            CASE place % 100 WHEN 8 THEN 'homework' END) AS said
        FROM generate_series(1, 6 + place % 2)
    ) AS text
    WHERE rooms.id > 1 ORDER BY place, rooms.id;
    INSERT INTO searchable (message_id, room_id, author_id, posted_at, has_link, text)
    SELECT id, room_id, author_id, created_at, false, body FROM messages
    WHERE room_id > 1 AND id > (SELECT coalesce(max(message_id), 0) FROM searchable WHERE room_id > 1);
    REINDEX TABLE messages;
    REINDEX TABLE searchable;
    UPDATE rooms SET message_count = {count} / {rooms}, revision = {count} / {rooms} WHERE id > 1;
    INSERT INTO search_progress (room_id, revision) SELECT id, revision FROM rooms
    ON CONFLICT (room_id) DO UPDATE SET revision = excluded.revision;
"""


class Ledger:
    """Figures by work and size, and the curves made of them."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str, str], dict[int, list[float]]] = {}

    def note(self, work: str, of: str, size: int, figure: float, unit: str = "ms") -> None:
        """Note a figure."""
        self._figures.setdefault((work, of, unit), {}).setdefault(size, []).append(figure)

    def curves(self) -> list[Curve]:
        """Return a curve for each work, in the order in which they were noted first."""
        return [Curve(*names, figures) for names, figures in self._figures.items()]


def run(repetitions: int) -> list[Line]:
    ledger = Ledger()
    few = min(repetitions, 3)
    _by_members(ledger, few)
    _by_rooms(ledger, few)
    _by_messages(ledger, few)
    _by_open_pages(ledger, few)
    for processes, costs in delivery_costs(repetitions).items():
        for cost in costs:
            ledger.note(CAPACITY, "processes", processes, processes / cost / 1000, "thousand")
    curves = ledger.curves()
    write_part(GROWTH, INTRODUCTION.format(repetitions=few) + table(curves) + REASONS)
    (DOCS / "growth.svg").write_text(chart(curves))
    return [_line(curve) for curve in curves]


def _line(curve: Curve) -> Line:
    figure = f"{curve.exponent:.2f}, last step {curve.last_exponent:.2f}"
    work = f"exponent of {curve.work}, by {curve.of}"
    if curve.work == CAPACITY:
        return Line(work, figure, f"≥ {IN_PROPORTION}", curve.exponent >= IN_PROPORTION)
    if (curve.work, curve.of) in FLAT_WORK:
        return Line(work, figure, f"≤ {FLAT}", curve.exponent <= FLAT)
    return Line(work, figure, "", None)


def _by_members(ledger: Ledger, repetitions: int) -> None:
    with _chat(people=MEMBERS[-1], rooms=1 + len(MEMBERS)) as chat:
        run_sql(execute(chat.postgres.url, ROOMS_BY_MEMBERS, list(MEMBERS)))
        for room, _ in enumerate(MEMBERS, 2):
            fill(chat, room, 50)
        run_sql(execute(chat.postgres.url, "VACUUM ANALYZE"))
        for _, (room, size) in itertools.product(range(repetitions), enumerate(MEMBERS, 2)):
            reader, author = _reader(chat), Author(chat, chat.servers[0])
            ledger.note(PAGE, BY_MEMBERS, size, _cost(chat, partial(reader.get, f"/rooms/{room}"), REQUESTS))
            ledger.note(POST, BY_MEMBERS, size, _cost(chat, partial(author.post, "a few words", room), REQUESTS))


def _by_rooms(ledger: Ledger, repetitions: int) -> None:
    with _chat(people=len(ROOMS), rooms=ROOMS[-1]) as chat:
        run_sql(execute(chat.postgres.url, PEOPLE_BY_ROOMS, list(ROOMS)))
        fill(chat, 1, 50)
        run_sql(execute(chat.postgres.url, "VACUUM ANALYZE"))
        for _, (person, size) in itertools.product(range(repetitions), enumerate(ROOMS, 1)):
            reader = _reader(chat, person)
            ledger.note(PAGE, BY_ROOMS, size, _cost(chat, partial(reader.get, "/rooms/1"), REQUESTS))


def _by_messages(ledger: Ledger, repetitions: int) -> None:
    with _chat(people=10, rooms=1 + ROOMS_WITH_MESSAGES) as chat:
        for size in MESSAGES:
            run_sql(execute(chat.postgres.url, MORE_MESSAGES.format(count=size, rooms=ROOMS_WITH_MESSAGES)))
            run_sql(execute(chat.postgres.url, "VACUUM ANALYZE"))
            for _ in range(repetitions):
                reader, author = _reader(chat), Author(chat, chat.servers[0])
                work: dict[str, tuple[Callable[[], object], int]] = {
                    PAGE: (partial(reader.get, "/rooms/2"), REQUESTS),
                    RARE: (partial(reader.get, "/search?q=needle"), SEARCHES),
                    FREQUENT: (partial(reader.get, "/search?q=homework"), SEARCHES),
                    POST: (partial(author.post, "a few words"), REQUESTS),
                }
                for name, (act, times) in work.items():
                    ledger.note(name, BY_MESSAGES, size, _cost(chat, act, times))


def _by_open_pages(ledger: Ledger, repetitions: int) -> None:
    with _chat(processes=2, people=OPEN_PAGES[-1]) as chat:
        writing, reading = chat.servers
        stamps = itertools.count(1)
        for _, size in itertools.product(range(repetitions), OPEN_PAGES):
            # A process keeps memory that it has once had.
            reading.kill()
            reading.start()
            pin(chat.meter(reading), SERVER_CORE)
            readers, author = Readers(reading.port, size, chat.handshakes(reading, size)), Author(chat, writing)
            time.sleep(SETTLE_SECONDS)
            ledger.note(MEMORY, BY_PAGES, size, chat.meter(reading).memory_info().rss / 1e6, "MB")
            before = cpu(chat.meter(reading))
            time.sleep(IDLE_SECONDS)
            ledger.note(IDLE, BY_PAGES, size, 1e3 * (cpu(chat.meter(reading)) - before) / IDLE_SECONDS)
            before, messages = cpu(chat.meter(reading)), max(12, DELIVERIES // size)
            for stamp in itertools.islice(stamps, messages):
                author.post(stamp_text(stamp))
                readers.reached_all_at(stamp)
            ledger.note(DELIVERY, BY_PAGES, size, 1e3 * (cpu(chat.meter(reading)) - before) / messages)
            readers.close()


@contextmanager
def _chat(processes: int = 1, people: int = 10, rooms: int = 1) -> Iterator[Chat]:
    with closing(Chat(processes, people, rooms, broker=processes > 1)) as chat:
        yield chat


def _reader(chat: Chat, person: int = 0) -> Http:
    return Http(chat.servers[0].port, f"Cookie: {chat.cookie(person)}\r\n")


def _cost(chat: Chat, act: Callable[[], object], times: int) -> float:
    """Return the CPU milliseconds of the server and the database for an act, once all it needs is in memory."""
    for _ in range(10):
        act()
    time.sleep(2)  # what was posted before becomes searchable
    before = _spent(chat)
    for _ in range(times):
        act()
    return 1e3 * (_spent(chat) - before) / times


def _spent(chat: Chat) -> float:
    return cpu(chat.meter(chat.servers[0])) + cpu(chat.postgres.processes()[0])
