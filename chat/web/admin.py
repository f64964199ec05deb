"""Pages for administrators: sign-up and invite links."""

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.accounts.installation import open_sign_up
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.files.room_files import largest_people, largest_rooms
from chat.ids import InviteId
from chat.rooms.invites import (
    LIFETIMES,
    MOST_LISTED,
    USES,
    USUAL_DAYS,
    USUAL_USES,
    all_invites,
    end_any_invite,
    invite_of,
    make_invite,
)
from chat.search.lag import lag_of
from chat.state import Request
from chat.throttling.rules import MAKE_LINK
from chat.web.cookies import is_secure
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.origin import own_origin
from chat.web.middleware.session import administrator
from chat.web.middleware.throttling import throttle
from chat.web.pages import shell_page


async def show_admin(request: Request) -> Response:
    return await admin_page(request)


async def choose_sign_up(request: Request) -> Response:
    me, form = administrator(request), await read_form(request)
    is_open, strangers = form.get("open") == "yes", form.get("strangers") == "yes"
    async with request.state.chat.change() as change:
        await open_sign_up(change, is_open, rooms_admit_strangers=strangers)
        if await invite_of(change.connection, None, datetime.now(UTC)) is None:
            await make_invite(change, me.id, None, days=USUAL_DAYS, uses=USUAL_USES, now=datetime.now(UTC))
    audit.record("sign_up_changed", is_open=is_open, rooms_admit_strangers=strangers)
    return RedirectResponse("/admin?saved=sign-up", status_code=303)


async def make_chat_invite(request: Request) -> Response:
    me, form = administrator(request), await read_form(request)
    days, uses = form.get("days", USUAL_DAYS), form.get("uses", USUAL_USES)
    try:
        await throttle(request, MAKE_LINK, "days")
        async with request.state.chat.change() as change:
            await make_invite(change, me.id, None, days=days, uses=uses, now=datetime.now(UTC))
    except InvalidInput as invalid:
        return refused(await admin_page(request, form, invalid.errors), invalid)
    audit.record("invite_made", days=days, most_uses=uses)
    return RedirectResponse("/admin?saved=invite", status_code=303)


async def list_invites(request: Request) -> Response:
    """List every link with its uses and its expiry, but not its address, which would open closed rooms."""
    administrator(request)
    async with reading(request.state.chat.database) as connection:
        found = await all_invites(connection, datetime.now(UTC))
    context = {
        "invites": found[:MOST_LISTED],
        "has_more": len(found) > MOST_LISTED,
        "saved": request.query_params.get("saved", ""),
    }
    return await shell_page(request, "accounts/invites.html", context)


async def end_listed_invite(request: Request) -> Response:
    administrator(request)
    async with request.state.chat.change() as change:
        room_id = await end_any_invite(change, InviteId(request.path_params["invite_id"]))
    audit.record("invite_ended", room_id=room_id)
    return RedirectResponse("/admin/invites?saved=ended", status_code=303)


async def admin_page(request: Request, values: Mapping[str, str] = {}, errors: Mapping[str, str] = {}) -> Response:
    """Return the administrator's page, with their input and the errors beside it."""
    administrator(request)
    async with reading(request.state.chat.database) as connection:
        invite = await invite_of(connection, None, datetime.now(UTC))
        search_lag = await lag_of(connection)
        storage = {"largest_rooms": await largest_rooms(connection), "largest_people": await largest_people(connection)}
    origin = own_origin(request, request.state.chat.settings.public_url)
    context = {
        "installation": request.state.installation,
        "invite": invite,
        "invite_url": f"{origin}{invite.path}" if invite else "",
        "lifetimes": LIFETIMES,
        "uses": USES,
        "values": {"days": USUAL_DAYS, "uses": USUAL_USES, **values},
        "errors": errors,
        "insecure": not is_secure(request),
        "broker_trouble": request.state.chat.broker.trouble,
        "search_lag": search_lag,
        **storage,
        "saved": request.query_params.get("saved", ""),
    }
    return await shell_page(request, "accounts/admin.html", context)
