"""What a room's managers change: what it is called and about, who may post in it;
whether it goes on, rests in the archive, or is gone."""

from collections.abc import Mapping

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat.accounts.person import Visitor
from chat.errors import InvalidInput, NotFound
from chat.models import messages, rooms
from chat.rooms.create import name_taken, valid_name, valid_topic
from chat.rooms.room import Room, require_manager
from chat.text import paragraphs, single_line

LONGEST_DESCRIPTION = 1000
# Messages: a statement for all of a room's may take longer than one is waited for.
DELETED_AT_ONCE = 50_000
# How long somebody waits between two messages of theirs, and how the form says it.
SLOW = {0: "Whenever they like", 10: "10 seconds", 30: "30 seconds", 60: "1 minute", 300: "5 minutes", 3600: "1 hour"}


async def change_settings(connection: AsyncConnection, visitor: Visitor, room: Room, typed: Mapping[str, str]) -> None:
    """Change what `typed` names and leave the rest; raises `Forbidden`, or `InvalidInput` for every field at once."""
    require_manager(visitor, room)
    changed: dict[str, object] = {}
    errors: dict[str, str] = {}
    for field, checked in _CHECKS.items():
        if field in typed:
            try:
                changed[field] = checked(typed[field])
            except InvalidInput as invalid:
                errors |= invalid.errors
    if errors:
        raise InvalidInput(**errors)
    if not changed:
        return
    try:
        await connection.execute(update(rooms).where(rooms.c.id == room.id).values(changed))
    except IntegrityError:
        raise name_taken() from None


async def archive_room(connection: AsyncConnection, visitor: Visitor, room: Room) -> None:
    """Let a manager close a room to every change: it leaves everybody's list and can still be read."""
    require_manager(visitor, room)
    await connection.execute(update(rooms).where(rooms.c.id == room.id).values(archived_at=func.now()))


async def restore_room(connection: AsyncConnection, visitor: Visitor, room: Room) -> None:
    """Let a manager bring a room back from the archive."""
    require_manager(visitor, room)
    await connection.execute(update(rooms).where(rooms.c.id == room.id).values(archived_at=None))


async def delete_room(database: AsyncEngine, visitor: Visitor, room: Room, name: str) -> None:
    """Let a manager who types its name delete a room with everything in it, for ever; committed when this returns.

    Raises `Forbidden`, `InvalidInput` for another name, or `NotFound` where somebody else was first.
    """
    require_manager(visitor, room)
    if single_line(name).casefold() != room.name.casefold():
        raise InvalidInput(name=f"Type “{room.name}” to delete it.")
    # What comes into an archived room is turned away without a wait: who posts there meanwhile would wait for the lock,
    # with everybody whose message shares the statement.
    async with database.begin() as connection:
        await archive_room(connection, visitor, room)
    async with database.begin() as connection:
        locked = select(rooms.c.message_count).where(rooms.c.id == room.id).with_for_update()
        count = (await connection.execute(locked)).scalar_one_or_none()
        if count is None:
            raise NotFound
        for first in range(1, count + 1, DELETED_AT_ONCE):
            some = messages.c.position.between(first, first + DELETED_AT_ONCE - 1)
            await connection.execute(delete(messages).where(messages.c.room_id == room.id, some))
        await connection.execute(delete(rooms).where(rooms.c.id == room.id))


def _valid_description(description: str) -> str:
    description = paragraphs(description)
    if len(description) > LONGEST_DESCRIPTION:
        raise InvalidInput(description=f"A description has at most {LONGEST_DESCRIPTION:,} characters.")
    return description


def _valid_kind(kind: str) -> str:
    if kind not in ("open", "closed"):
        raise InvalidInput(kind="Choose who can join.")
    return kind


def _valid_posting(posting: str) -> str:
    if posting not in ("everybody", "managers"):
        raise InvalidInput(posting="Choose who may post.")
    return posting


def _valid_slowness(seconds: str) -> int:
    for known in SLOW:
        if seconds == str(known):
            return known
    raise InvalidInput(slow_seconds="Choose how often people may post.")


_CHECKS = {
    "name": valid_name,
    "topic": valid_topic,
    "description": _valid_description,
    "kind": _valid_kind,
    "posting": _valid_posting,
    "slow_seconds": _valid_slowness,
}
