"""What people are doing: using a page, writing, and what they say they are about."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat.accounts.status import DURATIONS, USUAL, Status, set_status, status_of, valid_status
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import RoomId
from chat.templating import fragment
from chat.throttling.rules import PROFILE, TYPING
from chat.times import in_zone
from chat.web.announcing_status import announce_status
from chat.web.errors import refused
from chat.web.forms import read_form, whole_number
from chat.web.middleware.session import visitor, zone_of
from chat.web.middleware.throttling import throttle
from chat.web.shell import shell_page


async def be_active(request: Request) -> Response:
    """A page says that it is being used."""
    request.app.state.presence.touch(visitor(request).id)
    return Response(status_code=204)


async def write(request: Request) -> Response:
    """A page says that somebody is writing in its room."""
    me, room_id, state = visitor(request), RoomId(request.path_params["room_id"]), request.app.state
    if await state.throttling.allows(TYPING, f"{room_id}/{me.id}") and await state.seats.has(me.id, room_id):
        await state.notices.show_typing(room_id, fragment("presence/_typing.html", person=me))
    return Response(status_code=204)


async def show_status(request: Request) -> Response:
    async with reading(request.app.state.database) as connection:
        status = await status_of(connection, visitor(request).id)
    return await _status_page(request, status, {"emoji": status.emoji, "text": status.text}, {})


async def choose_status(request: Request) -> Response:
    """One of the usual ones, or one's own."""
    zone, form = zone_of(request), await read_form(request)
    typed = (form.get("emoji", ""), form.get("text", ""), form.get("until", "today"))
    chosen = dict(enumerate(USUAL, 1)).get(whole_number(form.get("usual")) or 0, typed)
    try:
        await throttle(request, PROFILE, "text")
        status = valid_status(*chosen, in_zone(datetime.now(UTC), zone))
    except InvalidInput as invalid:
        return refused(await _status_page(request, Status(), form, invalid.errors), invalid)
    return await _have(request, status)


async def clear_status(request: Request) -> Response:
    visitor(request)
    await throttle(request, PROFILE)
    return await _have(request, Status())


async def _have(request: Request, status: Status) -> Response:
    me = visitor(request)
    async with request.app.state.database.begin() as connection:
        await set_status(connection, me.id, status)
    await announce_status(request.app.state, me.id)
    return RedirectResponse("/status", status_code=303)


async def _status_page(request: Request, status: Status, values: dict[str, str], errors: dict[str, str]) -> Response:
    context = {
        "status": status,
        "values": {"until": "today"} | values,
        "errors": errors,
        "durations": DURATIONS,
        "usual": USUAL,
    }
    return await shell_page(request, "presence/status.html", context)


routes = [
    Route("/active", be_active, methods=["POST"]),
    Route("/rooms/{room_id:id}/typing", write, methods=["POST"]),
    Route("/status", show_status),
    Route("/status", choose_status, methods=["POST"]),
    Route("/status/clear", clear_status, methods=["POST"]),
]
