"""A room's settings: one's own, and what its managers decide for everybody."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat import audit
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import RoomId, UserId
from chat.rooms.members import choose_level, member_ids
from chat.rooms.room import Room, may_manage, require_manager, room_of_member
from chat.rooms.settings import SLOW, archive_room, change_settings, delete_room, restore_room
from chat.throttling.rules import CHANGE_ROOM
from chat.web.announcing import announce_change, announce_deletion
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.shell import shell_page


async def show_settings(request: Request) -> Response:
    return await _settings_page(request, await _my_room(request), {}, {})


async def settings(request: Request) -> Response:
    me, form, room = visitor(request), await read_form(request), await _my_room(request)
    try:
        await throttle(request, CHANGE_ROOM, "name")
        async with request.app.state.database.begin() as connection:
            await change_settings(connection, me, room, form)
    except InvalidInput as invalid:
        return refused(await _settings_page(request, room, form, invalid.errors), invalid)
    audit.record("room_changed", room_id=room.id, kind=form.get("kind"), posting=form.get("posting"))
    await announce_change(request.app.state, room.id, await _member_ids(request, room))
    return _to_room(room)


async def archive(request: Request) -> Response:
    me, room = visitor(request), await _my_room(request)
    await throttle(request, CHANGE_ROOM)
    async with request.app.state.database.begin() as connection:
        await archive_room(connection, me, room)
    audit.record("room_archived", room_id=room.id)
    await announce_change(request.app.state, room.id, await _member_ids(request, room))
    return _to_room(room)


async def restore(request: Request) -> Response:
    me, room = visitor(request), await _my_room(request)
    await throttle(request, CHANGE_ROOM)
    async with request.app.state.database.begin() as connection:
        await restore_room(connection, me, room)
    audit.record("room_restored", room_id=room.id)
    await announce_change(request.app.state, room.id, await _member_ids(request, room))
    return _to_room(room)


async def show_deletion(request: Request) -> Response:
    """The question before a room is deleted."""
    room = await _my_room(request)
    require_manager(visitor(request), room)
    return await shell_page(request, "rooms/delete.html", {"room": room, "values": {}, "errors": {}})


async def remove_room(request: Request) -> Response:
    me, form, room = visitor(request), await read_form(request), await _my_room(request)
    members = await _member_ids(request, room)
    try:
        await throttle(request, CHANGE_ROOM, "name")
        await delete_room(request.app.state.database, me, room, form.get("name", ""))
    except InvalidInput as invalid:
        context = {"room": room, "values": form, "errors": invalid.errors}
        return refused(await shell_page(request, "rooms/delete.html", context), invalid)
    audit.record("room_deleted", room_id=room.id)
    await announce_deletion(request.app.state, room, members)
    return RedirectResponse("/", status_code=303)


async def choose(request: Request) -> Response:
    """What of a room one wants to be told."""
    me, form, room = visitor(request), await read_form(request), await _my_room(request)
    try:
        await throttle(request, CHANGE_ROOM, "level")
        async with request.app.state.database.begin() as connection:
            await choose_level(connection, me, room, form.get("level", ""))
    except InvalidInput as invalid:
        return refused(await _settings_page(request, room, {}, invalid.errors), invalid)
    await request.app.state.notices.refresh_sidebars([me.id])
    return _to_room(room)


async def _my_room(request: Request) -> Room:
    room_id = RoomId(request.path_params["room_id"])
    async with reading(request.app.state.database) as connection:
        return await room_of_member(connection, visitor(request), room_id)


async def _member_ids(request: Request, room: Room) -> list[UserId]:
    async with reading(request.app.state.database) as connection:
        return await member_ids(connection, room.id)


def _to_room(room: Room) -> Response:
    return RedirectResponse(f"/rooms/{room.id}", status_code=303)


async def _settings_page(request: Request, room: Room, values: dict[str, str], errors: dict[str, str]) -> Response:
    kept = {name: str(getattr(room, name)) for name in ("name", "topic", "description", "kind", "posting")}
    context = {
        "room": room,
        "values": kept | {"slow_seconds": str(room.slow_seconds)} | values,
        "errors": errors,
        "slow": {str(seconds): label for seconds, label in SLOW.items()},
        "paces": {str(seconds): f"Every {label}" if seconds else label for seconds, label in SLOW.items()},
        "may_manage": may_manage(visitor(request), room),
    }
    return await shell_page(request, "rooms/settings.html", context)


routes = [
    Route("/rooms/{room_id:id}/settings", show_settings),
    Route("/rooms/{room_id:id}/settings", settings, methods=["POST"]),
    Route("/rooms/{room_id:id}/archive", archive, methods=["POST"]),
    Route("/rooms/{room_id:id}/restore", restore, methods=["POST"]),
    Route("/rooms/{room_id:id}/delete", show_deletion),
    Route("/rooms/{room_id:id}/delete", remove_room, methods=["POST"]),
    Route("/rooms/{room_id:id}/level", choose, methods=["POST"]),
]
