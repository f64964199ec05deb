"""What open pages are told when a room changes, or who is in it."""

from collections.abc import Collection

from starlette.datastructures import State

from chat.database import reading
from chat.ids import RoomId, UserId
from chat.rooms.members import count_members
from chat.rooms.room import Room
from chat.templating import fragment


async def announce_arrival(state: State, room_id: RoomId, user_ids: Collection[UserId]) -> None:
    """People have come into a room."""
    await _announce_members(state, room_id)
    await state.notices.refresh_sidebars(user_ids)


async def announce_removal(state: State, room_id: RoomId, user_id: UserId) -> None:
    """Somebody is in a room no longer."""
    await _announce_members(state, room_id)
    # First the list: a page whose view of the room is closed hears nothing more.
    await state.notices.refresh_sidebars([user_id])
    await state.notices.remove_from_room(room_id, user_id)


async def announce_topic(state: State, room_id: RoomId, topic: str) -> None:
    """A room has a new topic."""
    await state.notices.show_in_room(room_id, fragment("rooms/_topic_changed.html", topic=topic))


async def announce_change(state: State, room_id: RoomId, member_ids: Collection[UserId]) -> None:
    """A room is called otherwise, or is another kind of room, or others may write in it."""
    await announce_news(state, room_id)
    await state.notices.refresh_sidebars(member_ids)


async def announce_news(state: State, room_id: RoomId) -> None:
    """What stands around a room's messages is to be looked at again: it is not the same for everybody."""
    await state.notices.show_in_room(room_id, "<hx-news></hx-news>")


async def announce_deletion(state: State, room: Room, member_ids: Collection[UserId]) -> None:
    """A room is no more."""
    await state.notices.refresh_sidebars(member_ids)
    await state.notices.close_room(room.id, fragment("rooms/_deleted.html", room=room))


async def _announce_members(state: State, room_id: RoomId) -> None:
    state.online_lists.changed()
    async with reading(state.database) as connection:
        count = await count_members(connection, room_id)
    await state.notices.show_in_room(room_id, fragment("rooms/_members_changed.html", count=count))
