"""Completions of a word being typed: `:tad`, `@ali`, `/to`."""

import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.database.engine import LONGEST_QUERY
from chat.folding import bare
from chat.ids import RoomId, UserId
from chat.messages.commands import COMMANDS
from chat.messages.emoji import find_emoji
from chat.messages.mentionable import EVERYBODY
from chat.messages.mentions import may_mention_room
from chat.models import SPACED_NAME, memberships, users
from chat.text import UNSPACED, single_line

MOST = 8
_SIGNS = str.maketrans(dict.fromkeys("-_.'’(", " "))  # as in `SPACED_NAME`
_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Completion:
    """A line of the list: the text to insert, and its label."""

    text: str
    label: str
    note: str = ""


async def completions_of(connection: AsyncConnection, visitor: Visitor, room_id: RoomId, word: str) -> list[Completion]:
    """Return the completions of `word`, which includes its first character, in a room; the best first."""
    kind, query, tone = word[:1], word[1:], visitor.skin_tone
    if kind == ":" and query:
        emoji = find_emoji(query, MOST, at_words=True)
        return [Completion(each.toned(tone), f":{each.name}:", each.toned(tone)) for each in emoji]
    if kind == "/":
        known = [command for command in COMMANDS if command.name.startswith(query.lower())]
        return [Completion(f"/{command.name}", command.usage, command.meaning) for command in known]
    if kind == "@":
        everybody = [Completion(f"@{EVERYBODY}", EVERYBODY, "everybody in the room")]
        may_call = EVERYBODY.startswith(query.lower()) and await may_mention_room(connection, visitor, room_id)
        return [*await _people(connection, visitor.id, room_id, query), *(everybody if may_call else ())]
    return []


async def _people(connection: AsyncConnection, user_id: UserId, room_id: RoomId, query: str) -> list[Completion]:
    mine = select(memberships.c.room_id).where(memberships.c.user_id == user_id)
    statement = (
        select(users.c.name)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.room_id == room_id, memberships.c.room_id.in_(mine), _has_word(query))
        .order_by(~func.starts_with(users.c.bare_name, bare(query)), func.lower(users.c.name))
        .limit(MOST)
    )
    return [Completion(f"@{name}", name) for name in (await connection.execute(statement)).scalars()]


def _has_word(query: str) -> ColumnElement[bool]:
    """Return a condition: a word of a person's name begins with `query`.

    In writing without spaces a word begins anywhere.
    """
    wanted = bare(single_line(query)[:LONGEST_QUERY])
    if _UNSPACED.match(wanted):
        return users.c.bare_name.contains(wanted, autoescape=True)
    return literal_column(SPACED_NAME, Text).contains(" " + wanted.translate(_SIGNS), autoescape=True)
