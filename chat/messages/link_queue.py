"""The messages whose links are to be looked at (`chat.messages.previewing`)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.database.questions import Question, Questions
from chat.ids import MessageId, UserId
from chat.link_tables import links_to_show
from chat.models import messages

ATTEMPTS = 3
LEASE = timedelta(seconds=60)  # a process that has not looked at a message in this time has died
LONGEST_WAIT = timedelta(hours=1)  # of a person who posts more links than the chat looks at

_WAITING = (links_to_show.c.due_at <= func.now()) & (links_to_show.c.attempts < ATTEMPTS)
_IS_ANY_DUE = Question(exists().where(_WAITING))


@dataclass(frozen=True, slots=True)
class Due:
    """A message that this process looks at until `due_at`, when others may."""

    message_id: MessageId
    author_id: UserId
    origin: str
    due_at: datetime


async def look_at_links(connection: AsyncConnection, origins: Mapping[MessageId, str]) -> None:
    """Let the links of messages be looked at, once committed. `origins` are the chat's own, as browsers named it."""
    values = [{"message_id": message_id, "origin": origin} for message_id, origin in sorted(origins.items())]
    added = insert(links_to_show).values(values)
    again = {"origin": added.excluded.origin, "due_at": func.now(), "attempts": 0}
    await connection.execute(added.on_conflict_do_update(index_elements=["message_id"], set_=again))


async def is_any_due(questions: Questions) -> bool:
    """Tell whether any message is due."""
    (is_due,) = await questions.ask(_IS_ANY_DUE)
    return bool(is_due)


async def take_due(connection: AsyncConnection, most: int, busy: Collection[UserId]) -> list[Due]:
    """Take messages that are due, so that no other process takes them meanwhile.

    It takes one message of each author, and none of those that are `busy`: nobody waits for all links of others.
    """
    first = (
        select(links_to_show.c.message_id, links_to_show.c.due_at)
        .ext(distinct_on(messages.c.author_id))
        .join(messages, messages.c.id == links_to_show.c.message_id)
        .where(_WAITING, messages.c.author_id.not_in(busy))
        .order_by(messages.c.author_id, links_to_show.c.due_at)
        .subquery()
    )
    chosen = select(first.c.message_id).order_by(first.c.due_at).limit(most)
    free = select(links_to_show.c.message_id).where(links_to_show.c.message_id.in_(chosen), _WAITING)
    taken = (
        update(links_to_show)
        .where(links_to_show.c.message_id.in_(free.with_for_update(skip_locked=True)))
        .where(messages.c.id == links_to_show.c.message_id)
        .values(due_at=func.now() + LEASE, attempts=links_to_show.c.attempts + 1)
        .returning(links_to_show.c.message_id, messages.c.author_id, links_to_show.c.origin, links_to_show.c.due_at)
    )
    rows = await connection.execute(taken)
    return [Due(MessageId(row.message_id), UserId(row.author_id), row.origin, row.due_at) for row in rows]


async def finish(connection: AsyncConnection, due: Due) -> None:
    """Take a message off the queue, unless it has been edited since it was taken."""
    await connection.execute(delete(links_to_show).where(_is_ours(due)))


async def put_off(connection: AsyncConnection, due: Due, pause: timedelta) -> None:
    """Let a message be looked at later, which is no failed attempt."""
    later = {"due_at": func.now() + pause, "attempts": links_to_show.c.attempts - 1}
    await connection.execute(update(links_to_show).where(_is_ours(due)).values(later))


async def give_up(connection: AsyncConnection) -> None:
    """Take the messages off the queue that could not be looked at, or have waited for too long."""
    failed = (links_to_show.c.due_at <= func.now()) & (links_to_show.c.attempts >= ATTEMPTS)
    late = links_to_show.c.due_at <= func.now() - LONGEST_WAIT
    await connection.execute(delete(links_to_show).where(failed | late))


def _is_ours(due: Due) -> ColumnElement[bool]:
    return (links_to_show.c.message_id == due.message_id) & (links_to_show.c.due_at == due.due_at)
