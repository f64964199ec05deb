"""Mentions by `@name` and `@room`, and the list of a reader's mentions."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, Text, any_, delete, func, literal, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.accounts.person import Person, Visitor
from chat.database.engine import is_one_of, reading
from chat.folding import bare
from chat.ids import MessageId, RoomId, UserId
from chat.messages.markdown import Written, unescaped
from chat.messages.mentionable import EVERYBODY, Mentionable
from chat.messages.message import MOST_ON_A_PAGE, Message, cut, message_from, select_messages
from chat.messages.workshop import Workshop
from chat.models import memberships, mentions, messages, rooms, users
from chat.rooms.members import member_ids
from chat.rooms.room import direct_name, may_manage, others_in, visible_room

PAGE = 30


async def write(
    database: AsyncEngine,
    workshop: Workshop,
    author: Visitor,
    room_id: RoomId,
    body: str,
    *,
    known: Sequence[Person] = (),
) -> Written:
    """Render a text as it is stored and shown, and find the people it mentions besides its author.

    It can mention the members of the room, and those who are `known`.
    """
    if "@" not in body:
        return await workshop.written(body, author.id)
    async with reading(database) as connection:
        mentionable = await _mentionable_in(connection, author, room_id, body, known)
        everybody = await member_ids(connection, room_id) if mentionable.everybody else []
    written = await workshop.written(body, author.id, mentionable)
    meant = written.mentioned.union(everybody if written.mentions_room else ())
    return replace(written, mentioned=meant - {author.id})


async def _mentionable_in(
    connection: AsyncConnection, author: Visitor, room_id: RoomId, body: str, known: Sequence[Person]
) -> Mentionable:
    said = bare(f"{unescaped(body)}\n{body}")
    # An index leads to the names that begin like these. To compare all names would take longer in a large room.
    starts = {said[at.end() : at.end() + length] for at in re.finditer("@", said) for length in (1, 2, 3)}
    named = (func.left(users.c.bare_name, literal_column("3")) == any_(literal(sorted(starts), ARRAY(Text)))) & (
        func.strpos(literal(said), "@" + users.c.bare_name) > 0
    )
    statement = (
        select(users.c.id, users.c.name)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.room_id == room_id, named)
        .order_by(users.c.id)
    )
    people = {row.id: Person(row.id, row.name) for row in await connection.execute(statement)}
    people |= {person.id: person for person in known}
    calls = f"@{EVERYBODY}" in said and await may_mention_room(connection, author, room_id)
    return Mentionable(tuple(people.values()), calls)


async def may_mention_room(connection: AsyncConnection, author: Visitor, room_id: RoomId) -> bool:
    """Tell whether a person may mention everybody in a room: its managers may, and all people of a direct one."""
    room = await visible_room(connection, author, room_id)
    return may_manage(author, room) or (room.kind == "direct" and room.is_member)


async def change_mentions(
    connection: AsyncConnection, message: Message, user_ids: Collection[UserId]
) -> tuple[frozenset[UserId], frozenset[UserId]]:
    """Let a message mention exactly these people; return those added and those removed."""
    others = (mentions.c.message_id == message.id) & ~is_one_of(mentions.c.user_id, user_ids)
    left = delete(mentions).where(others).returning(mentions.c.user_id)
    gone = frozenset((await connection.execute(left)).scalars())
    if not user_ids:
        return frozenset(), gone
    place = (literal(message.id), literal(message.room_id), literal(message.position))
    rows = select(func.unnest(literal(sorted(user_ids), ARRAY(BigInteger))), *place)
    added = insert(mentions).from_select(["user_id", "message_id", "room_id", "position"], rows)
    come = await connection.execute(added.on_conflict_do_nothing().returning(mentions.c.user_id))
    return frozenset(come.scalars()), gone


@dataclass(frozen=True, slots=True)
class Mention:
    """A message that mentions the reader, and its room."""

    message: Message
    room_name: str
    is_unread: bool


@dataclass(frozen=True, slots=True)
class MentionsPage:
    """Mentions, the newest first. The next page continues at `further`, None at the end."""

    mentions: list[Mention]
    further: MessageId | None


async def mentions_of(connection: AsyncConnection, visitor: Visitor, before: MessageId | None) -> MentionsPage:
    """Return a page of the messages that mention the visitor, in rooms they are still in."""
    within = cut(_mentioning(visitor.id, before), MOST_ON_A_PAGE, by="id", descending=True)
    rows = (await connection.execute(within.order_by(text("id DESC")))).all()
    shown = rows[:PAGE]
    people = await others_in(connection, visitor.id, [row.room_id for row in shown if row.kind == "direct"])
    names = [row.room_name or direct_name(visitor, people[row.room_id]) for row in shown]
    found = [
        Mention(message_from(row), name, row.position > row.read_position)
        for row, name in zip(shown, names, strict=True)
    ]
    return MentionsPage(found, shown[-1].id if shown and shown[0].asked_in_all > len(shown) else None)


def _mentioning(user_id: UserId, before: MessageId | None) -> Select[Any]:
    """Return a `select_messages` of one more than a page, the newest first."""
    statement = (
        select_messages()
        .add_columns(rooms.c.kind, rooms.c.name.label("room_name"), memberships.c.read_position)
        .join(mentions, mentions.c.message_id == messages.c.id)
        .join(rooms, rooms.c.id == messages.c.room_id)
        .join(memberships, memberships.c.room_id == rooms.c.id)
        .where(mentions.c.user_id == user_id, memberships.c.user_id == user_id)
        .order_by(mentions.c.message_id.desc())
        .limit(PAGE + 1)
    )
    return statement if before is None else statement.where(mentions.c.message_id < before)
