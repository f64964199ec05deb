"""Visits every route of a large chat, as somebody who is in its largest rooms, in a small one, and in conversations."""

from uuid import uuid4

from tests.plans.large_chat import ALICE, BOB, DIRECT, LOBBY, SECOND, SMALL
from tests.routes.table import FIELDS, QUERIES, ROUTES, SENT_HEADERS
from tests.support.people import Person
from tests.support.tables import Tables, tables_of

VISITED = (LOBBY, SMALL, DIRECT)
# They would end what the other routes need, so they come last, and each in a room of its own.
LAST = {
    "POST /rooms/{room_id}/leave": SECOND,
    "POST /rooms/{room_id}/delete": 60,
    "POST /profile/sessions/end-others": LOBBY,
    "POST /sign-out": LOBBY,
}
# Further query strings, for routes that ask the database something else with them.
FURTHER = {
    "GET /rooms/{room_id}": ("", "before=3000", "after=20"),
    "GET /rooms/{room_id}/messages": ("after=20", ""),
    "GET /rooms/{room_id}/members": ("",),
    "GET /rooms/{room_id}/files": ("", "kind=picture", "kind=media", "kind=other"),
    "GET /people": ("",),
    "GET /rooms": ("", "q=room"),
    "GET /mentions": ("",),
    "GET /direct/new": ("",),
    "GET /search": (
        "", "q=homework", "q=the", "q=nothingofthatkind", "q=omewor", "q=message+homework", "q=from:me",
        "q=has:file", "q=has:image", "q=has:link", 'q=homework+in:"room 50"', "q=homework+-the",
        'q=homework+from:"bob brown"', "q=homework+before:2020-01-01", "q=homework+filename:plan",
        'q="the+homework"', "q=homework+-in:lobby",
    ),
}  # fmt: skip

_PLACE = f"""
    SELECT messages.room_id, messages.id AS message_id, messages.position,
        (SELECT id FROM files WHERE message_id IS NULL AND author_id = {ALICE} ORDER BY id DESC LIMIT 1) AS upload_id,
        (SELECT id FROM files WHERE room_id = messages.room_id AND message_id IS NOT NULL LIMIT 1) AS file_id,
        (SELECT preview_id FROM message_links WHERE preview_id IS NOT NULL LIMIT 1) AS preview_id,
        (SELECT id FROM invites ORDER BY room_id = messages.room_id DESC NULLS LAST LIMIT 1) AS invite_id,
        (SELECT token FROM invites ORDER BY room_id = messages.room_id DESC NULLS LAST LIMIT 1) AS token,
        (SELECT max(id) FROM sessions WHERE user_id = {ALICE} AND revoked_at IS NULL AND id <> 1) AS session_id,
        coalesce(rooms.name, '') AS name, {BOB} AS user_id, 3000 AS carol, 1 AS scale, 96 AS side, 'none' AS version
    FROM messages JOIN rooms ON rooms.id = messages.room_id
    WHERE messages.room_id = $1 AND author_id = {ALICE} AND deleted_at IS NULL ORDER BY position DESC LIMIT 1
"""


def visit_everything(alice: Person) -> None:
    """Open all pages, and then send all forms."""
    pages = [route for route in ROUTES if route.startswith("GET ")]
    forms = [route for route in ROUTES if route not in pages and route not in LAST]
    with tables_of(alice.server.database_url) as tables:
        for route in [*pages, *forms]:
            for room_id in VISITED if "{room_id}" in route or "{message_id}" in route else (LOBBY,):
                for text in dict.fromkeys((QUERIES.get(route, ""), *FURTHER.get(route, ()))):
                    _ask(alice, tables, route, room_id, text)
        for route, room_id in LAST.items():
            _ask(alice, tables, route, room_id)


def _ask(alice: Person, tables: Tables, route: str, room_id: int, text: str = "") -> None:
    """Send a request as its page does."""
    place = dict(tables.row(_PLACE, room_id))
    fill = {**place, "new": f"Room {uuid4()}", "uuid": uuid4()}
    method, path = route.split()
    fields = {name: value.format(**fill) for name, value in FIELDS.get(route, {}).items()}
    answer = alice.client.request(
        method,
        f"{path}?{text}".rstrip("?").format(**place),
        data=fields if method != "GET" else None,
        headers=SENT_HEADERS.get(route, {}),
    )
    assert answer.status_code != 500, f"{route}: {answer.text}"
    assert "/sign-in" not in answer.headers.get("location", "") or route == "POST /sign-out", f"{route}: signed out"
