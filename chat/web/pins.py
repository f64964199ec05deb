"""What is pinned in a room."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat.database.engine import reading
from chat.ids import MessageId, RoomId
from chat.messages.pins import MOST_PINNED, pin, pinned_in
from chat.rooms.room import may_post, room_of_member
from chat.throttling.rules import CHANGE
from chat.web.announcing import announce_news
from chat.web.forms import read_form, whole_number
from chat.web.message_changes import announce, changed
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.shell import shell_page


async def show_pinned(request: Request) -> Response:
    me, room_id = visitor(request), RoomId(request.path_params["room_id"])
    skipped = min(whole_number(request.query_params.get("after")) or 0, MOST_PINNED)
    async with reading(request.app.state.database) as connection:
        room = await room_of_member(connection, me, room_id)
        found = await pinned_in(connection, room.id, skipped)
    further = skipped + len(found.pins) if found.more else None
    context = {"room": room, "pins": found.pins, "further": further, "may_pin": may_post(me, room)}
    return await shell_page(request, "messages/pinned.html", context)


async def change_pin(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    message_id, pinned = MessageId(request.path_params["message_id"]), form.get("pinned") == "yes"
    await throttle(request, CHANGE)
    message, is_changed = await pin(request.app.state.database, me, message_id, pinned=pinned)
    if is_changed:
        await announce(request, message)
        await announce_news(request.app.state, message.room_id)
    if form.get("from") == "list":
        return RedirectResponse(f"/rooms/{message.room_id}/pinned", status_code=303)
    return changed(request, message)


routes = [
    Route("/rooms/{room_id:id}/pinned", show_pinned),
    Route("/messages/{message_id:id}/pin", change_pin, methods=["POST"]),
]
