"""A room's history: pages by position, and the changes since a revision."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Integer, Select, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.direct import is_one_given
from chat.database.questions import Question, Questions
from chat.errors import NotFound
from chat.ids import MessageId, Position, Revision, RoomId
from chat.memory import KILOBYTE
from chat.messages.message import MOST_ON_A_PAGE, Message, cut, message_from, select_messages
from chat.models import installation, messages, rooms

PAGE = 50
# A reader further behind reloads the page, which costs less.
MOST_REPLAYED = 512 * KILOBYTE


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Consecutive messages of a room. `older` and `newer` are the positions of the next pages, None at the ends."""

    messages: list[Message]
    older: Position | None
    newer: Position | None


@dataclass(frozen=True, slots=True)
class ChangedMessages:
    """Messages changed after a revision, in order of revision, complete up to `revision`."""

    messages: list[Message]
    revision: Revision


def _messages_in(room_id: RoomId | BindParameter[int]) -> Select[Any]:
    return select_messages().where(messages.c.room_id == room_id)


def _with_head(asked: Select[Any], most_bytes: int, *, by: str, descending: bool = False) -> Select[Any]:
    """Return a query for the room, and for the first messages of `asked` that fit into `most_bytes`."""
    shown = cut(asked, most_bytes, by=by, descending=descending).subquery()
    return (
        select(rooms.c.revision.label("head"), rooms.c.message_count, shown)
        .outerjoin(shown, shown.c.room_id == rooms.c.id)
        .where(rooms.c.id == _ROOM)
        .order_by(shown.c[by])
    )


# Building these takes SQLAlchemy more CPU than all the rest of a request.
_ROOM, _MOST = bindparam("room", type_=BigInteger), bindparam("most", type_=Integer)
_NEWEST = _with_head(
    _messages_in(_ROOM).order_by(messages.c.position.desc()).limit(_MOST),
    MOST_ON_A_PAGE,
    by="position",
    descending=True,
)
_CHANGES = _with_head(
    _messages_in(_ROOM)
    .where(messages.c.revision > bindparam("after", type_=BigInteger))
    .order_by(messages.c.revision)
    .limit(_MOST),
    MOST_REPLAYED,
    by="revision",
)


async def newest_page(
    connection: AsyncConnection, room_id: RoomId, size: int = PAGE
) -> tuple[HistoryPage, Revision] | None:
    """Return a room's newest messages and its revision at the same moment; None when there is no such room."""
    rows = (await connection.execute(_NEWEST, {"room": room_id, "most": size})).all()
    if not rows:
        return None
    found = [message_from(row) for row in rows if row.id is not None]
    return _page(found, rows[0].message_count), rows[0].head


async def message_at(connection: AsyncConnection, room_id: RoomId, position: Position) -> Message | None:
    """Return the message at a position; None when it is deleted."""
    statement = select_messages().where(
        messages.c.room_id == room_id, messages.c.position == position, messages.c.deleted_at.is_(None)
    )
    row = (await connection.execute(statement)).one_or_none()
    return message_from(row) if row else None


async def page_before(
    connection: AsyncConnection, room_id: RoomId, position: Position | None, size: int = PAGE
) -> HistoryPage:
    """Return the messages just before `position`, or the newest."""
    found = await _found_before(connection, room_id, position, size)
    return _page(found, await _message_count(connection, room_id))


async def page_after(connection: AsyncConnection, room_id: RoomId, position: Position, size: int = PAGE) -> HistoryPage:
    """Return the messages just after `position`."""
    found = await _found_after(connection, room_id, position, size)
    return _page(found, await _message_count(connection, room_id))


async def page_around(connection: AsyncConnection, room_id: RoomId, message_id: MessageId) -> HistoryPage:
    """Return the messages around one of them; raises `NotFound` when it is not in the room."""
    where = select(messages.c.position).where(messages.c.id == message_id, messages.c.room_id == room_id)
    position = (await connection.execute(where)).scalar_one_or_none()
    if position is None:
        raise NotFound
    before = await _found_before(connection, room_id, position, PAGE // 2, MOST_ON_A_PAGE // 2)
    after = await _found_after(connection, room_id, Position(position - 1), PAGE - PAGE // 2, MOST_ON_A_PAGE // 2)
    return _page([*before, *after], await _message_count(connection, room_id))


async def changes_since(
    connection: AsyncConnection, room_id: RoomId, after: Revision, limit: int
) -> ChangedMessages | None:
    """Return all messages changed after a revision.

    None when they are more than `limit`, have more bytes than a replay may, or there is no such room. The room's
    revision comes from the same snapshot as the messages, so that they are complete up to it.
    """
    rows = (await connection.execute(_CHANGES, {"room": room_id, "after": after, "most": limit + 1})).all()
    if not rows or len(rows) > limit or (rows[0].bytes_in_all or 0) > MOST_REPLAYED:
        return None
    return ChangedMessages([message_from(row) for row in rows if row.id is not None], rows[0].head)


_HEADS = Question(
    select(installation.c.epoch).scalar_subquery(),
    select(func.array_agg(array([rooms.c.id, rooms.c.revision])))
    .where(is_one_given(rooms.c.id, "heads_of"))
    .scalar_subquery(),
)


async def heads_of(questions: Questions, room_ids: Collection[RoomId]) -> tuple[str, dict[RoomId, Revision]]:
    """Return the installation's epoch and the revision of each of these rooms."""
    epoch, found = await questions.ask(_HEADS, heads_of=list(room_ids))
    return str(epoch or ""), dict(found or ())


async def _found_before(
    connection: AsyncConnection, room_id: RoomId, position: Position | None, size: int, most: int = MOST_ON_A_PAGE
) -> list[Message]:
    near = _messages_in(room_id).order_by(messages.c.position.desc()).limit(size)
    if position is not None:
        near = near.where(messages.c.position < position)
    rows = await connection.execute(cut(near, most, by="position", descending=True).order_by(text("position DESC")))
    return [message_from(row) for row in rows][::-1]


async def _found_after(
    connection: AsyncConnection, room_id: RoomId, position: Position, size: int, most: int = MOST_ON_A_PAGE
) -> list[Message]:
    near = _messages_in(room_id).where(messages.c.position > position).order_by(messages.c.position).limit(size)
    rows = await connection.execute(cut(near, most, by="position").order_by(text("position")))
    return [message_from(row) for row in rows]


def _page(found: list[Message], message_count: int) -> HistoryPage:
    if not found:
        return HistoryPage([], None, None)
    first, last = found[0].position, found[-1].position
    return HistoryPage(found, first if first > 1 else None, last if last < message_count else None)


async def _message_count(connection: AsyncConnection, room_id: RoomId) -> int:
    statement = select(rooms.c.message_count).where(rooms.c.id == room_id)
    # The room may just have been deleted.
    return (await connection.execute(statement)).scalar_one_or_none() or 0
