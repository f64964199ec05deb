"""A person's status: an emoji and some words, for a while."""

from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response

from chat.accounts.status import DURATIONS, USUAL, Status, set_status, status_of, valid_status
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.state import Request
from chat.throttling.rules import PROFILE
from chat.times import in_zone
from chat.web.errors import refused
from chat.web.forms import read_form, whole_number
from chat.web.middleware.session import visitor, zone_of
from chat.web.middleware.throttling import throttle
from chat.web.pages import shell_page


async def show_status(request: Request) -> Response:
    async with reading(request.state.chat.database) as connection:
        status = await status_of(connection, visitor(request).id)
    return await _status_page(request, status, {"emoji": status.emoji, "text": status.text}, {})


async def choose_status(request: Request) -> Response:
    """Set a suggested status, or one the visitor typed."""
    zone, form = zone_of(request), await read_form(request)
    typed = (form.get("emoji", ""), form.get("text", ""), form.get("until", "today"))
    chosen = dict(enumerate(USUAL, 1)).get(whole_number(form.get("usual")) or 0, typed)
    try:
        await throttle(request, PROFILE, "text")
        status = valid_status(*chosen, in_zone(datetime.now(UTC), zone))
    except InvalidInput as invalid:
        return refused(await _status_page(request, Status(), form, invalid.errors), invalid)
    return await _set(request, status)


async def clear_status(request: Request) -> Response:
    visitor(request)
    await throttle(request, PROFILE)
    return await _set(request, Status())


async def _set(request: Request, status: Status) -> Response:
    async with request.state.chat.change() as change:
        await set_status(change, visitor(request).id, status)
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
