"""A room's settings, and archiving, restoring and deleting it."""

from collections.abc import Mapping

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from chat.accounts.person import Visitor
from chat.change import Change
from chat.errors import Forbidden, InvalidInput, NotFound
from chat.folding import folded
from chat.live.events import RoomChanged, RoomDeleted
from chat.models import messages, rooms
from chat.rooms.create import name_taken, valid_name, valid_topic
from chat.rooms.members import member_ids
from chat.rooms.quotes import look_again_where_quoted
from chat.rooms.room import Room, require_manager
from chat.templating import fragment
from chat.text import paragraphs, single_line

LONGEST_DESCRIPTION = 1000
# Messages. One statement for all messages of a room may take longer than its timeout.
DELETED_AT_ONCE = 50_000
# Slow mode: seconds between two messages of a member, and the form's label.
SLOW = {0: "No limit", 10: "10 seconds", 30: "30 seconds", 60: "1 minute", 300: "5 minutes", 3600: "1 hour"}


async def change_settings(change: Change, visitor: Visitor, room: Room, typed: Mapping[str, str]) -> None:
    """Change the settings in `typed` and leave the others; raises `Forbidden`, or `InvalidInput` for all bad fields."""
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
        await change.connection.execute(update(rooms).where(rooms.c.id == room.id).values(changed))
    except IntegrityError:
        raise name_taken() from None
    if changed.get("kind", room.kind) != room.kind:
        await look_again_where_quoted(change.connection, room_id=room.id)
    await _tell(change, room)


async def archive_room(change: Change, visitor: Visitor, room: Room) -> None:
    """Let a manager archive a room: it leaves the sidebars, nothing in it can change, and members can still read it."""
    require_manager(visitor, room)
    await change.connection.execute(update(rooms).where(rooms.c.id == room.id).values(archived_at=func.now()))
    await _tell(change, room)


async def restore_room(change: Change, visitor: Visitor, room: Room) -> None:
    """Let a manager restore a room from the archive."""
    require_manager(visitor, room)
    await change.connection.execute(update(rooms).where(rooms.c.id == room.id).values(archived_at=None))
    await _tell(change, room)


async def prepare_deletion(change: Change, visitor: Visitor, room: Room, name: str) -> None:
    """Archive a room before `delete_room`, for a manager who types its name; raises `Forbidden` or `InvalidInput`.

    Posts into an archived room are refused at once. They would otherwise wait for the lock of the deletion, together
    with all messages that share their statement.
    """
    require_manager(visitor, room)
    if folded(single_line(name)) != folded(room.name):
        raise InvalidInput(name=f"Type “{room.name}” to delete it.")
    await archive_room(change, visitor, room)


async def delete_room(change: Change, room: Room) -> None:
    """Delete a room with all its messages, for ever; raises `NotFound` when it has just been deleted."""
    locked = select(rooms.c.message_count).where(rooms.c.id == room.id).with_for_update()
    count = (await change.connection.execute(locked)).scalar_one_or_none()
    if count is None:
        raise NotFound
    members = tuple(await member_ids(change.connection, room.id))
    for first in range(1, count + 1, DELETED_AT_ONCE):
        some = messages.c.position.between(first, first + DELETED_AT_ONCE - 1)
        await change.connection.execute(delete(messages).where(messages.c.room_id == room.id, some))
    await change.connection.execute(delete(rooms).where(rooms.c.id == room.id))
    change.tell(RoomDeleted(room.id, fragment("rooms/_deleted.html", room=room), members))


async def set_topic(change: Change, room: Room, topic: str) -> str:
    """Set a room's topic, which every member may, and return it as stored, "" for none.

    Raises `Forbidden` or `InvalidInput`.
    """
    if room.kind == "direct":
        raise Forbidden("A direct conversation has no topic.")
    topic = valid_topic(topic)
    await change.connection.execute(update(rooms).where(rooms.c.id == room.id).values(topic=topic))
    html = fragment("rooms/_topic_changed.html", topic=topic)
    change.tell(RoomChanged(room.id, html, is_listed=True))
    return topic


async def _tell(change: Change, room: Room) -> None:
    members = tuple(await member_ids(change.connection, room.id))
    change.tell(RoomChanged(room.id, members=members, is_listed=True))


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


def _valid_previews(answer: str) -> bool:
    if answer not in ("yes", "no"):
        raise InvalidInput(shows_previews="Choose whether links show previews.")
    return answer == "yes"


_CHECKS = {
    "name": valid_name,
    "topic": valid_topic,
    "description": _valid_description,
    "kind": _valid_kind,
    "posting": _valid_posting,
    "slow_seconds": _valid_slowness,
    "shows_previews": _valid_previews,
}
