"""Creating rooms, and checking their names and topics."""

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from chat.change import Change
from chat.errors import InvalidInput
from chat.ids import RoomId, UserId
from chat.live.events import PagesChanged, SidebarsChanged
from chat.models import memberships, rooms
from chat.rooms.notification_levels import first_level
from chat.text import checked_name, single_line

LONGEST_NAME = 80
LONGEST_TOPIC = 200


async def create_room(change: Change, owner_id: UserId, name: str, kind: str) -> RoomId:
    """Create an open or closed room with an owner; raises `InvalidInput`."""
    if kind not in ("open", "closed"):
        raise InvalidInput(kind="Choose who can join.")
    try:
        statement = insert(rooms).values(name=valid_name(name), kind=kind).returning(rooms.c.id)
        room_id = RoomId((await change.connection.execute(statement)).scalar_one())
    except IntegrityError:
        raise name_taken() from None
    owner = {"room_id": room_id, "user_id": owner_id, "role": "owner", "level": first_level(owner_id)}
    await change.connection.execute(insert(memberships).values(owner))
    change.tell(SidebarsChanged((owner_id,)), PagesChanged(("/rooms",)))
    return room_id


def valid_name(name: str) -> str:
    """Return a room's name as it is stored; raises `InvalidInput`."""
    return checked_name(name, LONGEST_NAME)


def valid_topic(topic: str) -> str:
    """Return a topic as it is stored; raises `InvalidInput`."""
    topic = single_line(topic)
    if len(topic) > LONGEST_TOPIC:
        raise InvalidInput(topic=f"A topic has at most {LONGEST_TOPIC} characters.")
    return topic


def name_taken() -> InvalidInput:
    """Return the error for a room's name that is taken. Archived rooms keep theirs, so that they can be restored."""
    return InvalidInput(name="There is already an open room with this name.")
