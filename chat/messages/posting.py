"""Posting: validate, authorise, one statement, commit."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Text, Uuid, bindparam, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.accounts.person import Visitor
from chat.crash import crash_point
from chat.errors import InvalidInput, NotFound
from chat.ids import RoomId
from chat.messages.message import Message, message_from, select_messages
from chat.models import messages

LONGEST_BODY = 10_000

# One statement, because a room's row lock held across round trips costs four times the throughput. The lock makes
# revisions gapless and in commit order; ids and times are taken under it, so they are in that order too.
_POST = text("""
    WITH duplicate AS (
        SELECT FROM messages WHERE author_id = :author_id AND client_id = :client_id
    ), room AS (
        UPDATE rooms SET
            revision = revision + 1,
            message_count = message_count + 1,
            newest_author_id = :author_id,
            newest_at = clock_timestamp(),
            newest_starts_day = coalesce(
                date_trunc('day', newest_at, 'UTC') <> date_trunc('day', clock_timestamp(), 'UTC'), true),
            newest_continues = coalesce(
                newest_author_id = :author_id AND newest_at > clock_timestamp() - interval '5 minutes', false)
        WHERE id = :room_id
          AND NOT EXISTS (SELECT FROM duplicate)
          AND EXISTS (SELECT FROM memberships WHERE room_id = :room_id AND user_id = :author_id)
        RETURNING revision, message_count, newest_at, newest_continues, newest_starts_day
    )
    INSERT INTO messages
        (room_id, author_id, client_id, body, continues, starts_day, position, posted_revision, revision, created_at)
    SELECT :room_id, :author_id, :client_id, :body, newest_continues, newest_starts_day, message_count, revision,
        revision, newest_at
    FROM room
    RETURNING *, :author_name AS author_name
""").bindparams(
    bindparam("author_id", type_=BigInteger),
    bindparam("author_name", type_=Text),
    bindparam("room_id", type_=BigInteger),
    bindparam("client_id", type_=Uuid),
    bindparam("body", type_=Text),
)


@dataclass(frozen=True, slots=True)
class Posted:
    """The outcome of posting: the message, and whether this request made it or an earlier one with the same id."""

    message: Message
    is_new: bool


def checked_body(body: str) -> str:
    """What a person typed, as it is kept; raises `InvalidInput` when it is empty or too long."""
    body = body.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip("\n").rstrip()
    if not body.strip():
        raise InvalidInput(body="Write something first.")
    if len(body) > LONGEST_BODY:
        raise InvalidInput(body=f"This is {len(body):,} characters long; a message has at most {LONGEST_BODY:,}.")
    return body


async def post_message(database: AsyncEngine, author: Visitor, room_id: RoomId, body: str, client_id: UUID) -> Posted:
    """Post a message; committed when this returns. A repeated `client_id` answers with the first message.

    Raises `InvalidInput` for the body and `NotFound` when the author is not in the room.
    """
    values = {
        "author_id": author.id,
        "author_name": author.name,
        "room_id": room_id,
        "client_id": client_id,
        "body": checked_body(body),
    }
    try:
        async with database.begin() as connection:
            row = (await connection.execute(_POST, values)).one_or_none()
            crash_point("before_commit")
        crash_point("after_commit")
        if row is not None:
            return Posted(message_from(row), is_new=True)
    except IntegrityError:
        # The same request twice at the same moment: the other one has won.
        pass
    return Posted(await _earlier_message(database, author, room_id, client_id), is_new=False)


async def _earlier_message(database: AsyncEngine, author: Visitor, room_id: RoomId, client_id: UUID) -> Message:
    statement = select_messages().where(
        messages.c.author_id == author.id, messages.c.client_id == client_id, messages.c.room_id == room_id
    )
    async with database.connect() as connection:
        row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    return message_from(row)
