"""Answering a message with an emoji: one click joins those who did, another leaves them."""

from typing import TypedDict

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from chat.accounts.person import Visitor
from chat.errors import InvalidInput, NotFound
from chat.ids import MessageId, UserId
from chat.messages.emoji import is_emoji
from chat.messages.message import Message, message_from, select_messages
from chat.messages.revise import readable_message
from chat.models import messages
from chat.rooms.room import next_revision

MOST_KINDS = 20


class Kept(TypedDict):
    """A kind of reaction as its message's row holds it."""

    emoji: str
    by: list[UserId]


async def react(database: AsyncEngine, visitor: Visitor, message_id: MessageId, emoji: str) -> Message:
    """Add the visitor's reaction to a message, or take it back; committed when this returns.

    Raises `NotFound` when they may not see the message, `Forbidden` when its room is archived, and `InvalidInput` for
    what is no emoji or one kind too many.
    """
    if not is_emoji(emoji):
        raise InvalidInput(emoji="Choose an emoji.")
    async with database.begin() as connection:
        message, _ = await readable_message(connection, visitor, message_id)
        # The room's row lock first, as for every change: it orders revisions, and here also those who react at once.
        revision = await next_revision(connection, message.room_id)
        one = messages.c.id == message_id
        found = select(messages.c.reactions).where(one, messages.c.deleted_at.is_(None))
        reactions = (await connection.execute(found)).scalar_one_or_none()
        if reactions is None:
            raise NotFound
        changed = toggled(reactions, emoji, visitor.id)
        await connection.execute(update(messages).where(one).values(reactions=changed, revision=revision))
        return message_from((await connection.execute(select_messages().where(one))).one())


def toggled(reactions: list[Kept], emoji: str, user_id: UserId) -> list[Kept]:
    """The reactions with one person's taken out where it was there, put in where it was not; in order of appearance."""
    changed: list[Kept] = []
    is_known = False
    for reaction in reactions:
        by = reaction["by"]
        if reaction["emoji"] == emoji:
            is_known = True
            by = [each for each in by if each != user_id] if user_id in by else [*by, user_id]
        if by:
            changed.append({"emoji": reaction["emoji"], "by": by})
    if not is_known:
        changed.append({"emoji": emoji, "by": [user_id]})
    if len(changed) > MOST_KINDS:
        raise InvalidInput(emoji=f"A message takes at most {MOST_KINDS} kinds of reactions.")
    return changed
