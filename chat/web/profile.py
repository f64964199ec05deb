"""The visitor's profile: their name, preferences, credentials and sessions."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.accounts.credentials import change_email, change_password, check_new_email, check_new_password
from chat.accounts.directory import rename_person
from chat.accounts.preferences import choose_theme, choose_times, order_rooms
from chat.accounts.sessions import revoke_other_sessions, revoke_own_session, sessions_of
from chat.change import Change
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import SessionId
from chat.rooms.notification_levels import choose_first_levels, first_levels_of
from chat.state import Request
from chat.templating import fragment
from chat.throttling.rules import OWN_PASSWORD, PROFILE
from chat.times import zones
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import asker, forgive, throttle, welcome_browser
from chat.web.pages import accent_style, shell_page

# A session's last use is up to ten minutes old, because an access token lasts that long.
JUST_USED = timedelta(minutes=15)


async def show_profile(request: Request) -> Response:
    return await profile_page(request, saved=request.query_params.get("saved", ""))


async def rename_myself(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    try:
        await throttle(request, PROFILE, "name")
        async with request.state.chat.change() as change:
            await rename_person(change, me.id, form.get("name", ""))
    except InvalidInput as invalid:
        return refused(await profile_page(request, form, invalid.errors), invalid)
    audit.record("renamed")
    return _saved("name")


async def order_my_rooms(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    by, unread_first = form.get("rooms_by", ""), "unread_first" in form
    return await _choose(
        request,
        lambda change: order_rooms(change, me.id, by, unread_first=unread_first),
        field="rooms_by",
        saved="order",
    )


async def choose_my_theme(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    theme = form.get("theme", "")
    return await _choose(request, lambda change: choose_theme(change, me.id, theme), field="theme", saved="theme")


async def choose_my_times(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    zone, hours = form.get("time_zone", ""), form.get("hours", "")
    return await _choose(
        request, lambda change: choose_times(change, me.id, zone, hours), field="time_zone", saved="times"
    )


async def choose_my_levels(request: Request) -> Response:
    """Set the visitor's notification levels for new rooms and, if they ask for it, for all their rooms."""
    me, form = visitor(request), await read_form(request)
    room_level, direct_level = form.get("room_level", ""), form.get("direct_level", "")
    everywhere = "everywhere" in form
    return await _choose(
        request,
        lambda change: choose_first_levels(change, me.id, room_level, direct_level, everywhere=everywhere),
        field="room_level",
        saved="levels-everywhere" if everywhere else "levels",
    )


async def change_my_email(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    email, password = form.get("email", ""), form.get("email_password", "")
    try:
        await throttle(request, OWN_PASSWORD, "email_password")
        new = await check_new_email(request.state.chat.database, me, password, email, asker(request))
        async with request.state.chat.change() as change:
            ended = await change_email(change, me, new)
    except InvalidInput as invalid:
        return refused(await profile_page(request, form, invalid.errors), invalid)
    audit.record("email_changed", ended_sessions=ended)
    await forgive(request, OWN_PASSWORD)
    answer = _saved("email")
    await welcome_browser(request, answer, email)
    return answer


async def change_my_password(request: Request) -> Response:
    """Change the visitor's password, and end their other sessions: another person may have known the old one."""
    me, form = visitor(request), await read_form(request)
    current, new = form.get("current_password", ""), form.get("password", "")
    try:
        await throttle(request, OWN_PASSWORD, "current_password")
        database = request.state.chat.database
        replacement = await check_new_password(
            database, me, current, new, chat_name=request.state.installation_name, asker=asker(request)
        )
        async with request.state.chat.change() as change:
            ended = await change_password(change, me, replacement)
    except InvalidInput as invalid:
        return refused(await profile_page(request, errors=invalid.errors), invalid)
    audit.record("password_changed", ended_sessions=ended)
    await forgive(request, OWN_PASSWORD)
    return _saved("password")


async def end_other_sessions(request: Request) -> Response:
    me = visitor(request)
    async with request.state.chat.change() as change:
        ended = await revoke_other_sessions(change, me.id, me.session_id, datetime.now(UTC))
    audit.record("other_sessions_ended", ended_sessions=ended)
    return _saved("others")


async def end_session(request: Request) -> Response:
    me, session_id = visitor(request), SessionId(request.path_params["session_id"])
    async with request.state.chat.change() as change:
        await revoke_own_session(change, me.id, session_id, datetime.now(UTC))
    audit.record("session_ended", session_id=session_id)
    return _saved("session")


async def show_my_style(request: Request) -> Response:
    """Return the visitor's private style sheet, which marks their messages, reactions and mentions.

    It has the chat's colour as well, so that a room's first load needs no further request.
    """
    css = fragment("accounts/me.css", me=visitor(request).id) + accent_style(request)
    return Response(css, media_type="text/css", headers={"Cache-Control": "private, max-age=86400"})


async def _choose(request: Request, act: Callable[[Change], Awaitable[None]], *, field: str, saved: str) -> Response:
    """Change a preference of the visitor; an error is shown beside `field`, and success beside the form `saved`."""
    try:
        await throttle(request, PROFILE, field)
        async with request.state.chat.change() as change:
            await act(change)
    except InvalidInput as invalid:
        return refused(await profile_page(request, await read_form(request), invalid.errors), invalid)
    return _saved(saved)


def _saved(form: str) -> Response:
    # Browsers keep the fragment of the form's action across the redirect, and so the place on the page.
    return RedirectResponse(f"/profile?saved={form}", status_code=303)


async def profile_page(
    request: Request, values: Mapping[str, str] = {}, errors: Mapping[str, str] = {}, saved: str = ""
) -> Response:
    """Return the visitor's profile, with their input and the errors beside it."""
    me, now = visitor(request), datetime.now(UTC)
    async with reading(request.state.chat.database) as connection:
        sessions = await sessions_of(connection, me, now)
        levels = await first_levels_of(connection, me.id)
    kept = {
        "name": me.name,
        "email": me.email,
        "time_zone": me.time_zone or "",
        "hours": str(me.hours or ""),
        "room_level": levels.room,
        "direct_level": levels.direct,
    }
    context = {
        "values": {**kept, **values},
        "errors": errors,
        "saved": saved,
        "zones": zones(),
        "sessions": sessions,
        "used_just_now": now - JUST_USED,
    }
    return await shell_page(request, "accounts/profile.html", context)
