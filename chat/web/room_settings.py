"""A room's settings: the visitor's own, and those its managers choose for all members."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.accounts.person import Visitor
from chat.change import Change
from chat.errors import InvalidInput
from chat.rooms import settings
from chat.rooms.direct import name_group
from chat.rooms.favourites import mark_favourite
from chat.rooms.members import choose_level
from chat.rooms.room import Room, may_manage, require_manager
from chat.rooms.settings import SLOW, change_settings, prepare_deletion
from chat.state import Request
from chat.throttling.rules import CHANGE_ROOM
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import is_htmx, page, shell_page
from chat.web.path import room_in


async def show_room_settings(request: Request) -> Response:
    return await settings_page(request, await room_in(request))


async def change_room_settings(request: Request) -> Response:
    me, form, room = visitor(request), await read_form(request), await room_in(request)
    try:
        await throttle(request, CHANGE_ROOM, "name")
        async with request.state.chat.change() as change:
            await change_settings(change, me, room, form)
    except InvalidInput as invalid:
        return refused(await settings_page(request, room, form, invalid.errors), invalid)
    audit.record("room_changed", room_id=room.id, kind=form.get("kind"), posting=form.get("posting"))
    return _to_room(room)


async def archive_room(request: Request) -> Response:
    room = await _managed(request, settings.archive_room)
    audit.record("room_archived", room_id=room.id)
    return _to_room(room)


async def restore_room(request: Request) -> Response:
    room = await _managed(request, settings.restore_room)
    audit.record("room_restored", room_id=room.id)
    return _to_room(room)


async def show_room_deletion(request: Request) -> Response:
    room = await room_in(request)
    require_manager(visitor(request), room)
    return await shell_page(request, "rooms/delete.html", {"room": room, "values": {}, "errors": {}})


async def delete_room(request: Request) -> Response:
    me, form, room = visitor(request), await read_form(request), await room_in(request)
    try:
        await throttle(request, CHANGE_ROOM, "name")
        async with request.state.chat.change() as change:
            await prepare_deletion(change, me, room, form.get("name", ""))
    except InvalidInput as invalid:
        context = {"room": room, "values": form, "errors": invalid.errors}
        return refused(await shell_page(request, "rooms/delete.html", context), invalid)
    async with request.state.chat.change() as change:
        await settings.delete_room(change, room)
    audit.record("room_deleted", room_id=room.id)
    return RedirectResponse("/", status_code=303)


async def choose_notification_level(request: Request) -> Response:
    me, form, room = visitor(request), await read_form(request), await room_in(request)
    try:
        await throttle(request, CHANGE_ROOM, "level")
        async with request.state.chat.change() as change:
            await choose_level(change, me, room, form.get("level", ""))
    except InvalidInput as invalid:
        return refused(await settings_page(request, room, errors=invalid.errors), invalid)
    return await _own_choice(request, "rooms/_bell.html", room)


async def name_conversation(request: Request) -> Response:
    form, room = await read_form(request), await room_in(request)
    try:
        await throttle(request, CHANGE_ROOM, "name")
        async with request.state.chat.change() as change:
            await name_group(change, room, form.get("name", ""))
    except InvalidInput as invalid:
        return refused(await settings_page(request, room, form, invalid.errors), invalid)
    return _to_room(room)


async def choose_favourite(request: Request) -> Response:
    me, form, room = visitor(request), await read_form(request), await room_in(request)
    await throttle(request, CHANGE_ROOM)
    async with request.state.chat.change() as change:
        await mark_favourite(change, me, room, is_favourite=form.get("favourite") == "yes")
    return await _own_choice(request, "rooms/_star.html", room)


async def _own_choice(request: Request, control: str, room: Room) -> Response:
    """Answer with the control in the room's header that shows the visitor's choice, or with the room."""
    if is_htmx(request):
        return page(request, control, {"room": await room_in(request)})
    return _to_room(room)


async def _managed(request: Request, act: Callable[[Change, Visitor, Room], Awaitable[None]]) -> Room:
    """Let the visitor change the room in the path, and return it."""
    me, room = visitor(request), await room_in(request)
    await throttle(request, CHANGE_ROOM)
    async with request.state.chat.change() as change:
        await act(change, me, room)
    return room


def _to_room(room: Room) -> Response:
    return RedirectResponse(f"/rooms/{room.id}", status_code=303)


async def settings_page(
    request: Request, room: Room, values: Mapping[str, str] = {}, errors: Mapping[str, str] = {}
) -> Response:
    """Return the page of a room's settings, with the visitor's input and the errors beside it."""
    kept = {name: str(getattr(room, name)) for name in ("name", "topic", "description", "kind", "posting")}
    kept |= {"slow_seconds": str(room.slow_seconds), "shows_previews": "yes" if room.shows_previews else "no"}
    kept["name"] = room.name if room.has_name else ""
    context = {
        "room": room,
        "values": {**kept, **values},
        "errors": errors,
        "slow": {str(seconds): label for seconds, label in SLOW.items()},
        "paces": {str(seconds): f"Every {label}" if seconds else label for seconds, label in SLOW.items()},
        "may_manage": may_manage(visitor(request), room),
    }
    return await shell_page(request, "rooms/settings.html", context)
