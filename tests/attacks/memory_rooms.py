"""Many rooms full of the worst markup."""

from tests.attacks.writing import author_of, fill, prepare
from tests.support.databases import query
from tests.support.server import ChatServer

BEFORE = "150 rooms take the memory from 73 to 8,146 MB"
ROOMS = 40
_ROOMS = """
    WITH room AS (INSERT INTO rooms (name, kind) SELECT 'Room ' || n, 'open' FROM generate_series(1, $1::int) AS n
        RETURNING id)
    INSERT INTO memberships (room_id, user_id, role) SELECT id, $2::bigint, 'owner' FROM room RETURNING room_id
"""

__all__ = ["attack", "prepare"]


def attack(server: ChatServer) -> None:
    """A member visits 40 rooms in turn, whose messages have the longest markup."""
    alice = author_of(server)
    for row in query(server.database_url, _ROOMS, ROOMS, alice.id):
        fill(alice, row[0], 50)
        assert alice.get(f"/rooms/{row[0]}").status_code == 200
