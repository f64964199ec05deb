"""A person's recent searches."""

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.ids import UserId
from chat.models import users

_REMEMBER = text("""
    UPDATE users SET recent_searches = (ARRAY[:query] || array_remove(recent_searches, :query))[1:10]
    WHERE id = :user_id AND recent_searches[1] IS DISTINCT FROM :query
""")


async def recent_searches(connection: AsyncConnection, user_id: UserId) -> list[str]:
    """Return a person's last ten different searches, the latest first."""
    statement = select(users.c.recent_searches).where(users.c.id == user_id)
    return list((await connection.execute(statement)).scalar_one())


async def remember(connection: AsyncConnection, user_id: UserId, query: str) -> None:
    """Add a search to a person's recent ones, as the latest."""
    await connection.execute(_REMEMBER, {"user_id": user_id, "query": query})


async def forget(connection: AsyncConnection, user_id: UserId) -> None:
    """Delete all of a person's recent searches."""
    await connection.execute(update(users).where(users.c.id == user_id).values(recent_searches=[]))
