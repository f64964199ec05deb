"""Revising messages: every change to a posted message."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat import audit
from chat.accounts.person import Visitor
from chat.change import Change
from chat.database.engine import reading
from chat.errors import Forbidden, NotFound
from chat.files.attachment import describe
from chat.ids import FileId, MessageId, Revision, UserId
from chat.link_tables import message_links
from chat.live.events import Mentioned, MessagesChanged, PagesChanged, RoomChanged, SidebarsChanged
from chat.live.source import RoomChanges
from chat.messages.body import checked_body, shown
from chat.messages.markdown import Written
from chat.messages.mentions import change_mentions, write
from chat.messages.message import Message, message_from, select_messages
from chat.messages.message_links import change_links
from chat.messages.present_names import people_in, text_with
from chat.messages.rendering import as_change
from chat.messages.workshop import Workshop
from chat.models import files, installation, memberships, messages
from chat.rooms.members import MOST_TOLD
from chat.rooms.quotes import look_again_where_quoted
from chat.rooms.room import next_revision, require_unarchived

_EPOCH = select(installation.c.epoch).scalar_subquery().label("epoch")


async def revise(change: Change, message: Message, revision: Revision, **values: object) -> Message:
    """Give a message new values and the revision of its room that `next_revision` returned; tell the room's readers.

    Raises `NotFound` when it has just been deleted.
    """
    is_it = messages.c.id == message.id
    revised = update(messages).where(is_it, messages.c.deleted_at.is_(None)).values(revision=revision, **values)
    if (await change.connection.execute(revised)).rowcount == 0:
        raise NotFound
    row = (await change.connection.execute(select_messages().add_columns(_EPOCH).where(is_it))).one()
    present = message_from(row)

    def events() -> Iterable[MessagesChanged]:
        changes = RoomChanges((as_change(present),), revision)
        yield MessagesChanged(present.room_id, row.epoch, Revision(revision - 1), changes)

    change.tell_later(events)
    return present


@dataclass(frozen=True, slots=True)
class Edit:
    """A message, its new text, and its files' new descriptions; `written` is None when the text is unchanged."""

    message: Message
    body: str
    written: Written | None
    alts: Mapping[FileId, str]


async def prepare_edit(
    database: AsyncEngine,
    workshop: Workshop,
    author: Visitor,
    message_id: MessageId,
    body: str,
    *,
    alts: Mapping[FileId, str],
) -> Edit:
    """Check and render an author's new text before `edit_message`, which holds locks and must be quick.

    `alts` may describe some of its files. Raises `InvalidInput` for the body, `NotFound` and `Forbidden`.
    """
    async with reading(database) as connection:
        message, before = await own_message(connection, author, message_id)
        body = checked_body(body, may_be_empty=bool(message.files))
        await require_unarchived(connection, message.room_id)
    changed = {file.id: alts[file.id] for file in message.files if alts.get(file.id, file.alt) != file.alt}
    if body == before:
        return Edit(message, body, None, changed)
    # Mentions stay, also of people who have left the room since.
    known = people_in(message.body)
    written = await write(database, workshop, author, message.room_id, body, known=known)
    written = shown(written, may_be_empty=bool(message.files))
    if message.original and message.original.author.id != author.id:
        written = replace(written, mentioned=written.mentioned | {message.original.author.id})
    return Edit(message, body, written, changed)


async def edit_message(change: Change, edit: Edit, origin: str = "") -> Message:
    """Replace a message's text and descriptions by the edited ones; raises `NotFound` and `Forbidden`.

    `origin` is the chat's own, as the author's browser names it.
    """
    if edit.written is None and not edit.alts:
        return edit.message
    revision = await next_revision(change.connection, edit.message.room_id)
    values: dict[str, object] = {"edited_at": func.clock_timestamp()}
    if edit.alts:
        await describe(change.connection, edit.message.id, edit.alts)
    if edit.written is None:
        return await revise(change, edit.message, revision, **values)
    html = str(edit.written.html)
    values |= {"body": edit.body, "body_html": html}
    values |= await change_links(change.connection, edit.message, html, origin)
    await look_again_where_quoted(change.connection, message_id=edit.message.id)
    edited = await revise(change, edit.message, revision, **values)
    await _mention_only(change, edited, edit.written.mentioned)
    return edited


async def delete_message(change: Change, visitor: Visitor, message_id: MessageId) -> Message:
    """Delete a message for all readers. A tombstone stays, so that the deletion reaches readers who were offline.

    Raises `NotFound` and `Forbidden`.
    """
    message, _ = await readable_message(change.connection, visitor, message_id)
    if not may_delete(visitor, message):
        raise Forbidden("Only the author and administrators can delete a message.")
    revision = await next_revision(change.connection, message.room_id)
    gone: dict[str, object] = {
        "body": "",
        "body_html": "",
        "reactions": [],
        "file_count": 0,
        "link_count": 0,
        "pinned_at": None,
    }
    await change.connection.execute(delete(files).where(files.c.message_id == message.id))
    await change.connection.execute(delete(message_links).where(message_links.c.message_id == message.id))
    await look_again_where_quoted(change.connection, message_id=message.id)
    deleted = await revise(change, message, revision, deleted_at=func.clock_timestamp(), **gone)
    await _mention_only(change, deleted, frozenset())
    if waiting := await _unread_by(change.connection, deleted):
        change.tell(SidebarsChanged(waiting))
    if message.is_pinned:
        change.tell(RoomChanged(message.room_id))
    if message.author.id != visitor.id:
        audit.record("message_deleted", message_id=message.id, room_id=message.room_id, author_id=message.author.id)
    return deleted


async def _unread_by(connection: AsyncConnection, message: Message) -> tuple[UserId, ...]:
    """Return the members who have not read a message, of 500 at most."""
    unread = (memberships.c.room_id == message.room_id) & (memberships.c.read_position < message.position)
    found = await connection.execute(select(memberships.c.user_id).where(unread).limit(MOST_TOLD))
    return tuple(found.scalars())


async def _mention_only(change: Change, message: Message, user_ids: frozenset[UserId]) -> None:
    mentioned, no_longer = await change_mentions(change.connection, message, user_ids)
    if mentioned:
        change.tell(Mentioned(tuple(mentioned), message.room_id, message.position))
    if no_longer:
        change.tell(SidebarsChanged(tuple(no_longer)), PagesChanged(("/mentions",), tuple(no_longer)))


async def message_as_shown(connection: AsyncConnection, visitor: Visitor, message_id: MessageId) -> tuple[Message, str]:
    """Return a message in one of the visitor's rooms, or its tombstone, and its text as typed; raises `NotFound`."""
    statement = (
        select_messages()
        .join(memberships, memberships.c.room_id == messages.c.room_id)
        .where(messages.c.id == message_id, memberships.c.user_id == visitor.id)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound
    return message_from(row), text_with(row.mentioned or {}, row.body, row.body_html)


async def readable_message(connection: AsyncConnection, visitor: Visitor, message_id: MessageId) -> tuple[Message, str]:
    """Return a message in one of the visitor's rooms and its text as typed; raises `NotFound`, also for a tombstone."""
    message, body = await message_as_shown(connection, visitor, message_id)
    if message.is_deleted:
        raise NotFound
    return message, body


async def own_message(connection: AsyncConnection, visitor: Visitor, message_id: MessageId) -> tuple[Message, str]:
    """Return a message the visitor may edit, and its text as typed.

    Raises `NotFound` when they may not see it or it is deleted, and `Forbidden` when it is another author's.
    """
    message, body = await readable_message(connection, visitor, message_id)
    if message.author.id != visitor.id:
        raise Forbidden("Only the author can edit a message.")
    return message, body


def may_delete(visitor: Visitor, message: Message) -> bool:
    """Tell whether the visitor may delete a message: its author and administrators may."""
    return message.author.id == visitor.id or visitor.is_administrator
