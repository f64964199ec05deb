"""Changing messages: editing one's own, deleting them."""

from dataclasses import dataclass

from markupsafe import Markup
from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat import audit
from chat.accounts.person import Visitor
from chat.database.engine import reading
from chat.errors import Forbidden, NotFound
from chat.ids import MessageId, UserId
from chat.messages.mentions import change_mentions, write
from chat.messages.message import Message, message_from, select_messages
from chat.messages.post import checked_body
from chat.messages.workshop import Workshop
from chat.models import memberships, messages
from chat.rooms.room import require_unarchived

# Like a post, a change takes the room's row lock, its next revision, and stamps it on the message. A deleted message
# stays as a tombstone, so that its deletion reaches those who were away.
_CHANGE = text("""
    WITH room AS (
        UPDATE rooms SET revision = revision + 1
        WHERE id = (SELECT room_id FROM messages WHERE id = :message_id) AND archived_at IS NULL
        RETURNING revision
    )
    UPDATE messages SET
        revision = room.revision,
        body = coalesce(:body, ''),
        body_html = coalesce(:body_html, ''),
        reactions = CASE WHEN :body IS NULL THEN '[]' ELSE reactions END,
        pinned_at = CASE WHEN :body IS NULL THEN NULL ELSE pinned_at END,
        edited_at = CASE WHEN :body IS NULL THEN edited_at ELSE clock_timestamp() END,
        deleted_at = CASE WHEN :body IS NULL THEN clock_timestamp() END
    FROM room
    WHERE messages.id = :message_id AND messages.deleted_at IS NULL
    RETURNING messages.id
""").bindparams(
    bindparam("message_id", type_=BigInteger), bindparam("body", type_=Text), bindparam("body_html", type_=Text)
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a message that was edited or deleted, and of those it mentions."""

    message: Message
    is_changed: bool = True
    was_pinned: bool = False
    mentioned: frozenset[UserId] = frozenset()  # and were not before
    unmentioned: frozenset[UserId] = frozenset()


async def message_as_shown(connection: AsyncConnection, visitor: Visitor, message_id: MessageId) -> tuple[Message, str]:
    """A message in one of the visitor's rooms, or what is left of it, and its text as typed; raises `NotFound`."""
    statement = (
        select_messages()
        .join(memberships, memberships.c.room_id == messages.c.room_id)
        .where(messages.c.id == message_id, memberships.c.user_id == visitor.id)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    return message_from(row), row.body


async def readable_message(connection: AsyncConnection, visitor: Visitor, message_id: MessageId) -> tuple[Message, str]:
    """A message in one of the visitor's rooms, and its text as typed; raises `NotFound`, also when it is deleted."""
    message, body = await message_as_shown(connection, visitor, message_id)
    if message.is_deleted:
        raise NotFound
    return message, body


async def own_message(connection: AsyncConnection, visitor: Visitor, message_id: MessageId) -> tuple[Message, str]:
    """A message the visitor may change, and its text as typed.

    Raises `NotFound` when they may not see it or it is deleted, and `Forbidden` when it is somebody else's.
    """
    message, body = await readable_message(connection, visitor, message_id)
    if message.author.id != visitor.id:
        raise Forbidden("Only its author can change a message.")
    return message, body


def may_delete(visitor: Visitor, message: Message) -> bool:
    """Whether the visitor may take a message back: its author, and administrators."""
    return message.author.id == visitor.id or visitor.is_administrator


async def edit_message(
    database: AsyncEngine, workshop: Workshop, author: Visitor, message_id: MessageId, body: str
) -> Outcome:
    """Change one's own message; committed when this returns.

    Raises `InvalidInput` for the body, `NotFound` and `Forbidden`.
    """
    body = checked_body(body)
    async with reading(database) as connection:
        message, before = await own_message(connection, author, message_id)
        await require_unarchived(connection, message.room_id)
    if body == before:
        return Outcome(message, is_changed=False)
    written = await write(database, workshop, author, message.room_id, body)
    async with database.begin() as connection:
        changed = await _change(connection, message, body, written.html)
        mentioned, unmentioned = await change_mentions(connection, message, written.mentioned)
    return Outcome(changed, mentioned=mentioned, unmentioned=unmentioned)


async def delete_message(database: AsyncEngine, visitor: Visitor, message_id: MessageId) -> Outcome:
    """Delete a message for everybody; committed when this returns.

    Raises `NotFound` and `Forbidden`.
    """
    async with database.begin() as connection:
        message, _ = await readable_message(connection, visitor, message_id)
        if not may_delete(visitor, message):
            raise Forbidden("Only its author and administrators can delete a message.")
        await require_unarchived(connection, message.room_id)
        deleted = await _change(connection, message, None, None)
        _, unmentioned = await change_mentions(connection, message, ())
    if message.author.id != visitor.id:
        audit.record("message_deleted", message_id=message.id, room_id=message.room_id, author_id=message.author.id)
    return Outcome(deleted, was_pinned=message.is_pinned, unmentioned=unmentioned)


async def _change(connection: AsyncConnection, message: Message, body: str | None, html: Markup | None) -> Message:
    markup = None if html is None else str(html)
    values = {"message_id": message.id, "body": body, "body_html": markup}
    if (await connection.execute(_CHANGE, values)).one_or_none() is None:
        # Deleted or archived a moment ago by another window; rolling back takes the revision back, too.
        raise NotFound
    changed = select_messages().where(messages.c.id == message.id)
    return message_from((await connection.execute(changed)).one())
