"""A room's history: pages by position, and what has changed since a revision."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database import is_one_of
from chat.errors import NotFound
from chat.ids import MessageId, Position, Revision, RoomId
from chat.messages.message import REACTING, Message, message_from, select_messages
from chat.models import installation, messages, rooms, users

PAGE = 50


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Consecutive messages of a room. `older` and `newer` are where the next page would continue, or None."""

    messages: list[Message]
    older: Position | None
    newer: Position | None


@dataclass(frozen=True, slots=True)
class ChangedMessages:
    """Messages changed after a revision, in order of revision. Everything up to `revision` is covered."""

    messages: list[Message]
    revision: Revision


async def newest_page(
    connection: AsyncConnection, room_id: RoomId, size: int = PAGE
) -> tuple[HistoryPage, Revision] | None:
    """The end of a room's history and the room's revision, of the same moment; None when there is no such room."""
    newest = (
        select(messages, REACTING).where(messages.c.room_id == room_id).order_by(messages.c.position.desc()).limit(size)
    )
    shown = newest.subquery()
    statement = (
        select(rooms.c.revision.label("head"), rooms.c.message_count, shown, users.c.name.label("author_name"))
        .outerjoin(shown, shown.c.room_id == rooms.c.id)
        .outerjoin(users, users.c.id == shown.c.author_id)
        .where(rooms.c.id == room_id)
        .order_by(shown.c.position)
    )
    rows = (await connection.execute(statement)).all()
    if not rows:
        return None
    found = [message_from(row) for row in rows if row.id is not None]
    return _page(found, rows[0].message_count), rows[0].head


async def message_at(connection: AsyncConnection, room_id: RoomId, position: Position) -> Message | None:
    """One message of a room, unless it is deleted."""
    statement = select_messages().where(
        messages.c.room_id == room_id, messages.c.position == position, messages.c.deleted_at.is_(None)
    )
    row = (await connection.execute(statement)).one_or_none()
    return message_from(row) if row else None


async def page_before(
    connection: AsyncConnection, room_id: RoomId, position: Position | None, size: int = PAGE
) -> HistoryPage:
    """The messages just before `position`, or the newest ones."""
    statement = select_messages().where(messages.c.room_id == room_id)
    if position is not None:
        statement = statement.where(messages.c.position < position)
    statement = statement.order_by(messages.c.position.desc()).limit(size)
    found = [message_from(row) for row in await connection.execute(statement)][::-1]
    return _page(found, await _message_count(connection, room_id))


async def page_after(connection: AsyncConnection, room_id: RoomId, position: Position, size: int = PAGE) -> HistoryPage:
    """The messages just after `position`."""
    statement = (
        select_messages()
        .where(messages.c.room_id == room_id, messages.c.position > position)
        .order_by(messages.c.position)
        .limit(size)
    )
    found = [message_from(row) for row in await connection.execute(statement)]
    return _page(found, await _message_count(connection, room_id))


async def page_around(connection: AsyncConnection, room_id: RoomId, message_id: MessageId) -> HistoryPage:
    """The messages around one of them; raises `NotFound` when it is not in the room."""
    where = select(messages.c.position).where(messages.c.id == message_id, messages.c.room_id == room_id)
    position = (await connection.execute(where)).scalar_one_or_none()
    if position is None:
        raise NotFound
    return await page_after(connection, room_id, Position(position - PAGE // 2 - 1), PAGE)


async def changes_since(
    connection: AsyncConnection, room_id: RoomId, after: Revision, limit: int
) -> ChangedMessages | None:
    """All messages changed after a revision; None when they are more than `limit`, or there is no such room.

    The room's revision comes from the same snapshot as the messages, so that "nothing more up to here" is true.
    """
    statement = (
        select(rooms.c.revision.label("head"), messages, REACTING, users.c.name.label("author_name"))
        .outerjoin(messages, and_(messages.c.room_id == rooms.c.id, messages.c.revision > after))
        .outerjoin(users, users.c.id == messages.c.author_id)
        .where(rooms.c.id == room_id)
        .order_by(messages.c.revision)
        .limit(limit + 1)
    )
    rows = (await connection.execute(statement)).all()
    if not rows or len(rows) > limit:
        return None
    return ChangedMessages([message_from(row) for row in rows if row.id is not None], rows[0].head)


async def heads_of(connection: AsyncConnection, room_ids: Collection[RoomId]) -> tuple[str, dict[RoomId, Revision]]:
    """The installation's epoch and how far each of these rooms is."""
    statement = select(installation.c.epoch, rooms.c.id, rooms.c.revision).outerjoin_from(
        installation, rooms, is_one_of(rooms.c.id, room_ids)
    )
    rows = (await connection.execute(statement)).all()
    return str(rows[0].epoch) if rows else "", {row.id: row.revision for row in rows if row.id is not None}


def _page(found: list[Message], message_count: int) -> HistoryPage:
    if not found:
        return HistoryPage([], None, None)
    first, last = found[0].position, found[-1].position
    return HistoryPage(found, first if first > 1 else None, last if last < message_count else None)


async def _message_count(connection: AsyncConnection, room_id: RoomId) -> int:
    statement = select(rooms.c.message_count).where(rooms.c.id == room_id)
    return int((await connection.execute(statement)).scalar_one())
