"""What open pages are told when a room changes, or who is in it."""

from collections.abc import Collection

from starlette.datastructures import State

from chat.ids import RoomId, UserId
from chat.rooms.room import Room
from chat.templating import fragment


async def announce_arrival(state: State, user_ids: Collection[UserId]) -> None:
    """People have come into a room."""
    state.online_lists.changed()
    await state.notices.refresh_sidebars(user_ids)


async def announce_removal(state: State, room_id: RoomId, user_id: UserId) -> None:
    """Somebody is in a room no longer."""
    state.online_lists.changed()
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
