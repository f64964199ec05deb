"""What open pages are told when a room changes, or who is in it."""

from collections.abc import Collection, Iterable, Mapping

from starlette.datastructures import State

from chat.accounts.person import Person
from chat.database.engine import reading
from chat.ids import RoomId, UserId
from chat.rooms.members import count_members, manager_ids, member_ids
from chat.rooms.room import Room
from chat.templating import fragment

MOST_LISTED = 500  # members of a room


async def announce_pages(state: State, *paths: str) -> None:
    """Make open pages at these paths reload, because their lists have changed."""
    await state.notices.show_everybody(_pages(paths))


async def announce_room(state: State, user_id: UserId) -> None:
    """Tell open pages of a new room."""
    await state.notices.refresh_sidebars([user_id])
    await announce_pages(state, "/rooms")


async def announce_name(state: State, person: Person, directs: Mapping[RoomId, Collection[UserId]]) -> None:
    """Tell open pages of a person's new name: in messages, lists and the names of direct rooms."""
    await state.notices.show_everybody(fragment("accounts/_renamed.html", person=person))
    await state.presence.announce_status()
    await state.notices.refresh_sidebars({person.id}.union(*directs.values()))
    for room_id in directs:
        await announce_news(state, room_id)


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
    await announce_pages(state, "/rooms")


async def announce_invite(state: State, room_id: RoomId | None) -> None:
    """An invite link was made, ended or used: a room's, or, for None, the chat's own."""
    await announce_pages(state, "/admin", "/admin/invites")
    if room_id is not None:
        async with reading(state.database) as connection:
            managers = await manager_ids(connection, room_id)
        await state.notices.show_people(managers, _pages([f"/rooms/{room_id}/invite"]))


async def announce_roles(state: State, room_id: RoomId) -> None:
    """Tell open pages that a room's owners have changed."""
    await announce_news(state, room_id)
    async with reading(state.database) as connection:
        await _announce_list(state, room_id, await member_ids(connection, room_id))


async def announce_news(state: State, room_id: RoomId) -> None:
    """What stands around a room's messages is to be looked at again: it is not the same for everybody."""
    await state.notices.show_in_room(room_id, "<chat-news></chat-news>")


async def announce_deletion(state: State, room: Room, member_ids: Collection[UserId]) -> None:
    """A room is no more."""
    await state.notices.refresh_sidebars(member_ids)
    await announce_pages(state, "/rooms")
    await state.notices.close_room(room.id, fragment("rooms/_deleted.html", room=room))


async def _announce_members(state: State, room_id: RoomId) -> None:
    state.online_lists.changed()
    async with reading(state.database) as connection:
        count = await count_members(connection, room_id)
        members = await member_ids(connection, room_id) if count <= MOST_LISTED else []
    await state.notices.show_in_room(room_id, fragment("rooms/_members_changed.html", count=count))
    await announce_pages(state, "/rooms")
    await _announce_list(state, room_id, members)


async def _announce_list(state: State, room_id: RoomId, members: Collection[UserId]) -> None:
    """Tell members only: others may not know the room. A page of a large room lists few members anyway."""
    if len(members) <= MOST_LISTED:
        await state.notices.show_people(members, _pages([f"/rooms/{room_id}/members", f"/rooms/{room_id}/settings"]))


def _pages(paths: Iterable[str]) -> str:
    return f'<chat-pages data-paths="{" ".join(paths)}"></chat-pages>'
