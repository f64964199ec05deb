"""What attacks on memory have in common: the text that takes most of it, and rooms full of that."""

from uuid import uuid4

from chat.messages.markdown import rendered
from tests.support.databases import query
from tests.support.people import Person

# An address is an eighth of its link, and with one emoji Python keeps four bytes for every character of the markup.
WORST = ("👍 " + "http://a " * 1200)[:9_990]

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


def fill(person: Person, room_id: int, number: int, body: str = WORST) -> None:
    """Somebody writes the same message so many times, in no time."""
    query(person.server.database_url, _FILL, room_id, number, person.id, body, str(rendered(body)))


def post(person: Person, room_id: int, number: int, body: str = WORST) -> int:
    """Somebody posts so many different messages through the door; how many of them the chat takes."""
    answers = [person.post(room_id, f"{count} {body}"[:10_000], str(uuid4())) for count in range(number)]
    return sum(answer.status_code == 200 for answer in answers)
