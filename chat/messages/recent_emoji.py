"""The emoji that a person used last, for the picker."""

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.errors import InvalidInput
from chat.ids import UserId
from chat.messages.emoji import OFTEN, Emoji, is_emoji, named, toned
from chat.models import users

MOST = 16  # two rows of the picker

_REMEMBER = text(f"""
    UPDATE users SET recent_emoji = (ARRAY[:emoji] || array_remove(recent_emoji, :emoji))[1:{MOST}]
    WHERE id = :user_id AND recent_emoji[1] IS DISTINCT FROM :emoji
""")  # noqa: S608  of a constant


async def remember_emoji(connection: AsyncConnection, user_id: UserId, emoji: str) -> None:
    """Add an emoji to a person's recent ones, as the latest and without its skin tone; raises `InvalidInput`."""
    if not is_emoji(emoji):
        raise InvalidInput(emoji="Choose an emoji.")
    await connection.execute(_REMEMBER, {"user_id": user_id, "emoji": toned(emoji, 0)})


async def recent_emoji(connection: AsyncConnection, user_id: UserId) -> list[Emoji]:
    """Return the last different emoji that a person used, the latest first."""
    statement = select(users.c.recent_emoji).where(users.c.id == user_id)
    return named((await connection.execute(statement)).scalar_one())


def often_used() -> list[Emoji]:
    """Return the emoji that the picker shows to a person who has used none yet."""
    return named(OFTEN[:MOST])
