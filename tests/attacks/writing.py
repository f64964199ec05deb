"""Shared by the attacks on memory: the text that takes most of it, and rooms full of that text."""

from uuid import uuid4
from weakref import WeakKeyDictionary

from chat.messages.markdown import written
from tests.support.databases import query
from tests.support.people import Person, first_run
from tests.support.server import ChatServer

# The most markup that a text may have. Because of the emoji, Python keeps four bytes for each of its characters.
WORST = ("👍 " + "http://a xxxxxxxxxxxx " * 500)[:9_990]

_authors: WeakKeyDictionary[ChatServer, Person] = WeakKeyDictionary()

_FILL = """
    WITH room AS (
        UPDATE rooms SET revision = revision + $2, message_count = message_count + $2, newest_at = now(),
            newest_author_id = $3
        WHERE id = $1::bigint RETURNING id, revision - $2 AS revision, message_count - $2 AS position
    )
    INSERT INTO messages (room_id, author_id, client_id, body, body_html, continues, starts_day, position,
        posted_revision, revision, created_at)
    SELECT id, $3::bigint, gen_random_uuid(), $4, $5, false, false, position + n, revision + n, revision + n, now()
    FROM room, generate_series(1, $2::int) AS n
"""


def prepare(server: ChatServer) -> None:
    """Sign an author up and let them post, which hashes a password and starts the processes that make markup."""
    _authors[server] = first_run(server)
    post(_authors[server], 1, 1)


def author_of(server: ChatServer) -> Person:
    """The author of a server that is prepared."""
    return _authors[server]


def fill(person: Person, room_id: int, number: int, body: str = WORST) -> None:
    """Insert the same message many times, directly into the database."""
    query(person.server.database_url, _FILL, room_id, number, person.id, body, str(written(body).html))


def post(person: Person, room_id: int, number: int, body: str = WORST) -> int:
    """Post many different messages over HTTP; returns how many the chat accepts."""
    answers = [person.post(room_id, f"{count} {body}"[:10_000], str(uuid4())) for count in range(number)]
    return sum(answer.status_code == 200 for answer in answers)
