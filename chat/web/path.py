"""The room, message or person that a request's path names."""

from chat.database.engine import reading
from chat.ids import MessageId, RoomId, UserId
from chat.rooms.room import Room, room_of_member
from chat.state import Request
from chat.web.middleware.session import visitor


def room_id_in(request: Request) -> RoomId:
    """Return the id of the room in the path."""
    return RoomId(request.path_params["room_id"])


def message_id_in(request: Request) -> MessageId:
    """Return the id of the message in the path."""
    return MessageId(request.path_params["message_id"])


def user_id_in(request: Request) -> UserId:
    """Return the id of the person in the path."""
    return UserId(request.path_params["user_id"])


async def room_in(request: Request) -> Room:
    """Return the room in the path; raises `NotFound` unless the visitor is a member, and `SignInNeeded`."""
    async with reading(request.state.chat.database) as connection:
        return await room_of_member(connection, visitor(request), room_id_in(request))
