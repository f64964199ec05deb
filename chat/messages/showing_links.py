"""Adding previews to a message once its links were looked at, and removing them: both revise the message."""

from collections.abc import Sequence

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.change import Change
from chat.errors import Forbidden
from chat.ids import MessageId
from chat.link_tables import message_links
from chat.messages.link_queue import Due, finish
from chat.messages.message import Message, message_from, select_messages
from chat.messages.message_links import Kept, Linking, kept_of, shown_count, store_links
from chat.messages.revise import may_delete, readable_message, revise
from chat.messages.shown_links import LinkId
from chat.models import messages
from chat.rooms.room import Room, may_manage, next_revision, room_of_member


class Overtaken(Exception):
    """The message has been changed while its links were looked at."""


async def keep_links(change: Change, due: Due, linking: Linking, found: Sequence[Kept]) -> None:
    """Show the previews that were found, in the order of the text. This revises the message if they change it.

    Raises `Overtaken`, and `Forbidden` when the room has just been archived.
    """
    connection = change.connection
    # A quoted message of another room may look different now.
    is_the_same = list(linking.kept) == list(found)
    if is_the_same and all(each.quoted_room_id in (None, linking.room_id) for each in found):
        await finish(connection, due)
        return
    revision = await next_revision(connection, linking.room_id)
    message = await _unchanged(connection, linking)
    await store_links(connection, linking.id, found)
    await finish(connection, due)
    await revise(change, message, revision, link_count=sum(not each.is_removed for each in found))


async def _unchanged(connection: AsyncConnection, linking: Linking) -> Message:
    """Return a message whose room is locked; raises `Overtaken` if its text or its links have changed."""
    statement = select_messages().where(messages.c.id == linking.id, messages.c.deleted_at.is_(None))
    row = (await connection.execute(statement)).one_or_none()
    if row is None or row.body_html != linking.markup or await kept_of(connection, linking.id) != list(linking.kept):
        raise Overtaken
    return message_from(row)


async def remove_preview(change: Change, visitor: Visitor, message_id: MessageId, link_id: LinkId | None) -> Message:
    """Remove the preview of a link for everybody, or of all links; it does not come back.

    Raises `NotFound`, and `Forbidden` unless the visitor wrote the message, manages the room, or is an administrator.
    """
    message, _ = await readable_message(change.connection, visitor, message_id)
    room = await room_of_member(change.connection, visitor, message.room_id)
    if not may_remove_preview(visitor, room, message):
        raise Forbidden("Only the author and the room’s managers can remove a preview.")
    revision = await next_revision(change.connection, room.id)
    shown = (message_links.c.message_id == message.id) & message_links.c.removed_at.is_(None)
    if link_id is not None:
        shown &= message_links.c.id == link_id
    await change.connection.execute(update(message_links).where(shown).values(removed_at=func.now()))
    return await revise(change, message, revision, link_count=await shown_count(change.connection, message.id))


def may_remove_preview(visitor: Visitor, room: Room, message: Message) -> bool:
    """Tell whether the visitor may remove a message's previews: its author and the room's managers may."""
    return may_delete(visitor, message) or may_manage(visitor, room)
