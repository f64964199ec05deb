"""What somebody looked for lately."""

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.ids import UserId
from chat.models import users

_REMEMBER = text("""
    UPDATE users SET recent_searches = (ARRAY[:query] || array_remove(recent_searches, :query))[1:10]
    WHERE id = :user_id AND recent_searches[1] IS DISTINCT FROM :query
""")


async def recent_searches(connection: AsyncConnection, user_id: UserId) -> list[str]:
    """The last ten different searches, the last one first."""
    statement = select(users.c.recent_searches).where(users.c.id == user_id)
    return list((await connection.execute(statement)).scalar_one())


async def remember(connection: AsyncConnection, user_id: UserId, query: str) -> None:
    """Put a search first among the recent ones."""
    await connection.execute(_REMEMBER, {"user_id": user_id, "query": query})


async def forget(connection: AsyncConnection, user_id: UserId) -> None:
    """Forget all of somebody's recent searches."""
    await connection.execute(update(users).where(users.c.id == user_id).values(recent_searches=[]))
