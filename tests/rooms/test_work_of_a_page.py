"""A page's database work grows with its contents, not with the members of its rooms."""

from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.ids import RoomId, SessionId, UserId
from chat.messages.history import newest_page
from chat.messages.mentions import mentions_of
from chat.messages.pins import pinned_in
from chat.rooms.online_members import online_in
from chat.rooms.quick_switcher import destinations
from chat.rooms.read_positions import rooms_of
from chat.rooms.sidebar import room_and_sidebar, sidebar_of
from tests.support.databases import execute, fresh_database, run
from tests.support.plans import Work, rows_visited

SMALL, LARGE = (30, 50, 100), (300, 500, 1000)

PEOPLE = """
    INSERT INTO users (email, name, password_hash, role)
    SELECT 'pupil' || n, 'Pupil ' || to_char(n, 'FM0000'), '', 'member' FROM generate_series(1, $1::int) AS n
"""
ROOM = """
    WITH room AS (INSERT INTO rooms (name, kind, direct_key, message_count, newest_at)
        VALUES ($1::text, CASE WHEN $1 IS NULL THEN 'direct' ELSE 'open' END,
            CASE WHEN $1 IS NULL THEN decode(md5(random()::text), 'hex') END, 0, now()) RETURNING id)
    INSERT INTO memberships (room_id, user_id, role)
    SELECT room.id, users.id, CASE WHEN users.id = 1 THEN 'owner' ELSE 'member' END
    FROM room, users WHERE users.id <= $2::int
"""


def school(url: str, sizes: tuple[int, ...]) -> None:
    """A chat whose administrator is in rooms of these sizes, a small room and a direct room."""
    run(execute(url, PEOPLE, 3000))
    for name, size in [*((f"Year {size}", size) for size in sizes), ("Chess", 5), (None, 2)]:
        run(execute(url, ROOM, name, size))
    run(execute(url, "ANALYZE"))


ME = Visitor(UserId(1), "Pupil 0001", email="", is_administrator=False, session_id=SessionId(1))
LARGEST_ROOM, SMALL_ROOM = RoomId(3), RoomId(4)
ONLINE = [UserId(number) for number in range(1, 20)]

WORKS: dict[str, Work] = {
    "the sidebar": lambda connection: sidebar_of(connection, ME),
    "a small room and the sidebar": lambda connection: room_and_sidebar(connection, ME, SMALL_ROOM),
    "the quick switcher": lambda connection: destinations(connection, ME, ""),
    "the numbers of unread messages": lambda connection: rooms_of(connection, [ME.id]),
    "the newest messages": lambda connection: newest_page(connection, LARGEST_ROOM),
    "the pinned messages": lambda connection: pinned_in(connection, LARGEST_ROOM),
    "the mentions": lambda connection: mentions_of(connection, ME, None),
    "who of a large room is online": lambda connection: online_in(connection, LARGEST_ROOM, ONLINE),
}


def test_a_page_reads_the_same_rows_with_ten_times_as_many_members() -> None:
    visited = []
    for sizes in (SMALL, LARGE):
        with fresh_database() as url:
            school(url, sizes)
            visited.append({name: run(rows_visited(url, work)) for name, work in WORKS.items()})
    assert visited[0] == visited[1]


def test_the_sidebar_loads_members_of_direct_rooms_only(database_url: str) -> None:
    school(database_url, SMALL)

    async def listed(connection: AsyncConnection) -> None:
        sidebar = await sidebar_of(connection, ME)
        assert [room.name for room in sidebar.rooms] == ["Chess", "Year 100", "Year 30", "Year 50"]
        assert [room.name for room in sidebar.directs] == ["Pupil 0002"]

    run(rows_visited(database_url, listed))
