"""The reason why a post is refused."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chat.accounts.person import Visitor
from chat.errors import InvalidInput, NotFound, TooManyRequests
from chat.ids import RoomId
from chat.models import memberships
from chat.rooms.room import Room, may_manage, may_post, room_of_member


async def refusal_of(connection: AsyncConnection, author: Visitor, room_id: RoomId) -> Exception | None:
    """Return the reason why a post is refused: `NotFound`, or `InvalidInput` with its text; None when it is allowed."""
    try:
        room = await room_of_member(connection, author, room_id)
    except NotFound as missing:
        return missing
    if room.is_archived:
        return InvalidInput(body="This room is archived. You can read it but not write in it.")
    if not may_post(author, room):
        return InvalidInput(body="Only the room’s owners and administrators can write here.")
    if room.slow_seconds and not may_manage(author, room):
        return await _too_soon(connection, author, room)
    return None


async def _too_soon(connection: AsyncConnection, author: Visitor, room: Room) -> TooManyRequests | None:
    mine = (memberships.c.room_id == room.id) & (memberships.c.user_id == author.id)
    passed = select(func.extract("epoch", func.clock_timestamp() - memberships.c.posted_at)).where(mine)
    since = (await connection.execute(passed)).scalar_one_or_none()
    wait = 0 if since is None else room.slow_seconds - since
    return TooManyRequests("This room is in slow mode.", wait, "body") if wait > 0 else None
