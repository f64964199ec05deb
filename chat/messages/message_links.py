"""The links of a message that have previews, in the database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.errors import NotFound
from chat.files.served import Served
from chat.ids import MessageId, RoomId
from chat.link_tables import link_previews, message_links
from chat.messages.link_queue import look_at_links
from chat.messages.message import Message
from chat.messages.shown_links import PreviewId, addresses_in, has_links
from chat.models import memberships, messages, rooms


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of `message_links`: a link with the preview of a page, or with a message and its room."""

    address: str
    preview_id: PreviewId | None = None
    quoted_id: MessageId | None = None
    quoted_room_id: RoomId | None = None
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class Linking:
    """A message before its links are looked at. `addresses` is empty where links show no previews."""

    id: MessageId
    room_id: RoomId
    markup: str
    addresses: Sequence[str]
    kept: Sequence[Kept]


async def linking_message(connection: AsyncConnection, message_id: MessageId) -> Linking | None:
    """Return a message whose links are to be looked at; None if it may not be changed any more."""
    statement = (
        select(messages.c.room_id, messages.c.body_html, rooms.c.shows_previews)
        .join(rooms, rooms.c.id == messages.c.room_id)
        .where(messages.c.id == message_id, messages.c.deleted_at.is_(None), rooms.c.archived_at.is_(None))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    addresses = addresses_in(row.body_html) if row.shows_previews else []
    kept = await kept_of(connection, message_id)
    return Linking(message_id, RoomId(row.room_id), row.body_html, addresses, kept)


async def kept_of(connection: AsyncConnection, message_id: MessageId) -> list[Kept]:
    """Return the rows of a message's links, in the order of the text."""
    quoted = messages.alias("quoted")
    statement = (
        select(message_links, quoted.c.room_id)
        .outerjoin(quoted, quoted.c.id == message_links.c.quoted_id)
        .where(message_links.c.message_id == message_id)
        .order_by(message_links.c.place)
    )
    return [
        Kept(row.address, row.preview_id, row.quoted_id, row.room_id, row.removed_at is not None)
        for row in await connection.execute(statement)
    ]


async def quotable(connection: AsyncConnection, linking: Linking, room_id: RoomId, message_id: MessageId) -> bool:
    """Tell whether everybody who reads a message may read the one that it links to."""
    is_read = or_(rooms.c.id == linking.room_id, rooms.c.kind == "open")
    statement = (
        select(messages.c.id)
        .join(rooms, rooms.c.id == messages.c.room_id)
        .where(messages.c.id == message_id, rooms.c.id == room_id, messages.c.deleted_at.is_(None), is_read)
        .where(messages.c.id != linking.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def store_links(connection: AsyncConnection, message_id: MessageId, found: Sequence[Kept]) -> None:
    """Keep these links of a message, and no others."""
    await _forget_others(connection, message_id, [each.address for each in found])
    for place, each in enumerate(found, 1):
        shown = {"preview_id": each.preview_id, "quoted_id": each.quoted_id}
        added = insert(message_links).values(message_id=message_id, place=place, address=each.address, **shown)
        again = added.on_conflict_do_update(index_elements=["message_id", "address"], set_={"place": place, **shown})
        await connection.execute(again)


async def _forget_others(connection: AsyncConnection, message_id: MessageId, addresses: Collection[str]) -> None:
    others = (message_links.c.message_id == message_id) & message_links.c.address.not_in(addresses)
    await connection.execute(delete(message_links).where(others))


async def preview_picture(
    connection: AsyncConnection, visitor: Visitor, message_id: MessageId, preview_id: PreviewId
) -> Served:
    """Return the picture of a preview that a message in one of the visitor's rooms shows; raises `NotFound`."""
    mine = (memberships.c.room_id == messages.c.room_id) & (memberships.c.user_id == visitor.id)
    statement = (
        select(link_previews.c.picture, link_previews.c.picture_kind)
        .join(message_links, message_links.c.preview_id == link_previews.c.id)
        .join(messages, messages.c.id == message_links.c.message_id)
        .join(memberships, mine)
        .where(messages.c.id == message_id, messages.c.deleted_at.is_(None), message_links.c.removed_at.is_(None))
        .where(link_previews.c.id == preview_id, link_previews.c.picture.is_not(None))
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        raise NotFound
    return Served(row.picture, "preview", row.picture_kind, None)


async def change_links(connection: AsyncConnection, message: Message, markup: str, origin: str) -> dict[str, object]:
    """Keep only the previews whose links are in a message's new markup; return the values of its row that change.

    The new links are looked at once this is committed.
    """
    addresses = addresses_in(markup)
    if addresses:
        await look_at_links(connection, {message.id: origin})
    if not message.links and not has_links(message.body):
        return {}
    await _forget_others(connection, message.id, addresses)
    return {"link_count": await shown_count(connection, message.id)}


async def shown_count(connection: AsyncConnection, message_id: MessageId) -> int:
    """Return the number of a message's previews."""
    shown = (message_links.c.message_id == message_id) & message_links.c.removed_at.is_(None)
    return int((await connection.execute(select(func.count()).select_from(message_links).where(shown))).scalar_one())
