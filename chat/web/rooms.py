"""Rooms: browsing, creating, joining and leaving them."""

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.rooms import create, members
from chat.rooms.browse import find_rooms
from chat.rooms.room import room_of_member, visible_room
from chat.state import Request
from chat.throttling.rules import CHANGE_ROOM, FIND, OPEN_ROOM
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import shell_page
from chat.web.path import room_id_in


async def browse_rooms(request: Request) -> Response:
    me, query = visitor(request), request.query_params.get("q", "")
    archived = request.query_params.get("archived") == "yes"
    await throttle(request, FIND)
    async with reading(request.state.chat.database) as connection:
        found = await find_rooms(connection, me.id, query, archived=archived)
    return await shell_page(request, "rooms/browse.html", {"rooms": found, "query": query, "archived": archived})


async def show_new_room(request: Request) -> Response:
    return await shell_page(request, "rooms/new.html", {"values": {"kind": "open"}, "errors": {}})


async def create_room(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    try:
        await throttle(request, OPEN_ROOM, "name")
        async with request.state.chat.change() as change:
            room_id = await create.create_room(change, me.id, form.get("name", ""), form.get("kind", ""))
    except InvalidInput as invalid:
        context = {"values": {"kind": "open"} | form, "errors": invalid.errors}
        return refused(await shell_page(request, "rooms/new.html", context), invalid)
    audit.record("room_opened", room_id=room_id, kind=form.get("kind"))
    return RedirectResponse(f"/rooms/{room_id}", status_code=303)


async def join_room(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE_ROOM)
    async with request.state.chat.change() as change:
        room = await visible_room(change.connection, me, room_id_in(request))
        await members.join_room(change, me.id, room)
    audit.record("member_joined", room_id=room.id)
    return RedirectResponse(f"/rooms/{room.id}", status_code=303)


async def leave_room(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE_ROOM)
    async with request.state.chat.change() as change:
        room = await room_of_member(change.connection, me, room_id_in(request))
        await members.leave_room(change, me.id, room)
    audit.record("member_left", room_id=room.id)
    return RedirectResponse("/", status_code=303)
