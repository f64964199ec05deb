"""Read positions: marking a room as read, or a message as unread."""

from starlette.responses import RedirectResponse, Response

from chat.ids import Position
from chat.rooms.read_positions import mark_all_read, mark_read, mark_unread_from
from chat.state import Request
from chat.throttling.rules import CHANGE
from chat.web.forms import read_form, whole_number
from chat.web.home import show_sidebar
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import is_htmx
from chat.web.path import message_id_in, room_id_in
from chat.web.triggers import with_trigger


async def mark_room_read(request: Request) -> Response:
    """Mark a room as read up to a position; without JavaScript the reader does so with a button."""
    me, room_id, form = visitor(request), room_id_in(request), await read_form(request)
    async with request.state.chat.change() as change:
        await mark_read(change, me.id, room_id, Position(whole_number(form.get("position")) or 0))
    if "from" in form and is_htmx(request):
        return Response(headers={"Cache-Control": "no-store"})
    if "from" in form:
        return RedirectResponse(f"/rooms/{room_id}", status_code=303)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def mark_all_rooms_read(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE)
    async with request.state.chat.change() as change:
        await mark_all_read(change, me.id)
    return await show_sidebar(request) if is_htmx(request) else RedirectResponse("/list", status_code=303)


async def mark_message_unread(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE)
    async with request.state.chat.change() as change:
        position = await mark_unread_from(change, me.id, message_id_in(request))
    if is_htmx(request):
        return with_trigger("unread", position=position)
    return RedirectResponse("/list", status_code=303)
