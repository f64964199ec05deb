"""A room's pinned messages."""

from starlette.responses import RedirectResponse, Response

from chat.database.engine import reading
from chat.messages.pins import MOST_PINNED, pin, pinned_in
from chat.rooms.room import may_post, room_of_member
from chat.state import Request
from chat.throttling.rules import CHANGE
from chat.web.forms import read_form, whole_number
from chat.web.messages import revised
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import shell_page
from chat.web.path import message_id_in, room_id_in


async def list_pins(request: Request) -> Response:
    me = visitor(request)
    skipped = min(whole_number(request.query_params.get("after")) or 0, MOST_PINNED)
    async with reading(request.state.chat.database) as connection:
        room = await room_of_member(connection, me, room_id_in(request))
        found = await pinned_in(connection, room.id, skipped)
    further = skipped + len(found.pins) if found.more else None
    context = {"room": room, "pins": found.pins, "further": further, "may_pin": may_post(me, room)}
    return await shell_page(request, "messages/pinned.html", context)


async def change_pin(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    await throttle(request, CHANGE)
    async with request.state.chat.change() as change:
        message = await pin(change, me, message_id_in(request), pinned=form.get("pinned") == "yes")
    if form.get("from") == "list":
        return RedirectResponse(f"/rooms/{message.room_id}/pinned", status_code=303)
    return revised(request, message)
