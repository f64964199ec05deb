"""Reacting to a message with an emoji: the first click adds the member's reaction, the second removes it."""

from functools import cache

from sqlalchemy import select

from chat.accounts.person import Visitor
from chat.change import Change
from chat.errors import InvalidInput
from chat.ids import MessageId, UserId
from chat.messages.emoji import Emoji, is_emoji, named
from chat.messages.message import Message, StoredReaction
from chat.messages.recent_emoji import remember_emoji
from chat.messages.revise import readable_message, revise
from chat.models import messages
from chat.rooms.room import next_revision

MOST_KINDS = 20
QUICK = ("👍", "❤️", "🎉", "😄", "🙏", "👀")


@cache
def quick_reactions() -> list[Emoji]:
    """Return the reactions that a message offers without a search, the most used first."""
    return named(QUICK)


async def react(change: Change, visitor: Visitor, message_id: MessageId, emoji: str) -> Message:
    """Add the visitor's reaction to a message, or take it back.

    Raises `NotFound` when they may not see the message, `Forbidden` when its room is archived, and `InvalidInput` when
    `emoji` is not an emoji or the message has too many kinds of them.
    """
    if not is_emoji(emoji):
        raise InvalidInput(emoji="Choose an emoji.")
    message, _ = await readable_message(change.connection, visitor, message_id)
    # Under the room's lock, as for every change: members who react at the same moment read each other's reactions.
    revision = await next_revision(change.connection, message.room_id)
    found = select(messages.c.reactions).where(messages.c.id == message_id)
    before = (await change.connection.execute(found)).scalar_one()
    after = toggled(before, emoji, visitor.id)
    if any(each["emoji"] == emoji and visitor.id in each["by"] for each in after):
        await remember_emoji(change.connection, visitor.id, emoji)
    return await revise(change, message, revision, reactions=after)


def toggled(reactions: list[StoredReaction], emoji: str, user_id: UserId) -> list[StoredReaction]:
    """Return the reactions with a person's removed if it was there, and added if not; in order of appearance."""
    changed: list[StoredReaction] = []
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
