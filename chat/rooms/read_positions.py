"""Read positions and message counts of rooms. Unread is their difference, so no query counts messages."""

from collections.abc import Collection, Mapping

from sqlalchemy import ARRAY, BigInteger, bindparam, func, select, text, update

from chat.change import Change
from chat.database.direct import DirectStatement, Source, is_one_given
from chat.database.questions import Question, Questions
from chat.errors import NotFound
from chat.ids import MessageId, Position, RoomId, UserId
from chat.live.events import ReadPositionMoved
from chat.live.source import RoomCount
from chat.models import memberships, messages, rooms

_COUNTS_ABOVE = Question(
    text("""(
    SELECT array_agg(ARRAY[rooms.id, message_count])
    FROM unnest(:counted_rooms, :counts) AS known (room_id, known_count) JOIN rooms ON rooms.id = known.room_id
    WHERE message_count > known_count
)""").bindparams(bindparam("counted_rooms", type_=ARRAY(BigInteger)), bindparam("counts", type_=ARRAY(BigInteger)))
)
_ROOMS_OF = DirectStatement(
    select(
        memberships.c.user_id,
        rooms.c.id,
        rooms.c.message_count,
        memberships.c.read_position,
        (rooms.c.newest_at > func.now() - text("interval '2 minutes'")).label("is_recent"),
    )
    .join(rooms, rooms.c.id == memberships.c.room_id)
    .where(is_one_given(memberships.c.user_id, "user_ids"))
)


async def mark_read(change: Change, user_id: UserId, room_id: RoomId, position: Position) -> None:
    """Move a person's read position in a room forward, at most to its newest message."""
    reached = func.least(position, rooms.c.message_count)
    moved = await change.connection.execute(
        update(memberships)
        .where(memberships.c.room_id == room_id, memberships.c.user_id == user_id)
        .where(rooms.c.id == room_id, memberships.c.read_position < reached)
        .values(read_position=reached)
        .returning(memberships.c.read_position)
    )
    if (present := moved.scalar_one_or_none()) is not None:
        change.tell(ReadPositionMoved(user_id, room_id, present))


async def mark_all_read(change: Change, user_id: UserId) -> None:
    """Move a person's read positions in all their rooms to the newest message."""
    moved = await change.connection.execute(
        update(memberships)
        .where(memberships.c.user_id == user_id, rooms.c.id == memberships.c.room_id)
        .where(memberships.c.read_position < rooms.c.message_count)
        .values(read_position=rooms.c.message_count)
        .returning(memberships.c.room_id, memberships.c.read_position)
    )
    change.tell(*(ReadPositionMoved(user_id, row.room_id, row.read_position) for row in moved))


async def mark_unread_from(change: Change, user_id: UserId, message_id: MessageId) -> Position:
    """Count a message and all after it as unread, and return the new read position; raises `NotFound`."""
    statement = (
        update(memberships)
        .where(messages.c.id == message_id, memberships.c.room_id == messages.c.room_id)
        .where(memberships.c.user_id == user_id)
        .values(read_position=messages.c.position - 1)
        .returning(memberships.c.room_id, memberships.c.read_position)
    )
    row = (await change.connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    change.tell(ReadPositionMoved(user_id, row.room_id, row.read_position))
    return Position(row.read_position)


async def rooms_of(source: Source, user_ids: Collection[UserId]) -> dict[UserId, list[RoomCount]]:
    """Return these people's rooms, with each room's number of messages."""
    found: dict[UserId, list[RoomCount]] = {}
    for row in await _ROOMS_OF.rows(source, user_ids=list(user_ids)):
        count = RoomCount(row.id, row.message_count, row.read_position, bool(row.is_recent))
        found.setdefault(row.user_id, []).append(count)
    return found


async def counts_above(questions: Questions, counts: Mapping[RoomId, int]) -> dict[RoomId, int]:
    """Return the numbers of messages of those rooms that have more than the given number."""
    (found,) = await questions.ask(_COUNTS_ABOVE, counted_rooms=list(counts), counts=list(counts.values()))
    return dict(found or ())
