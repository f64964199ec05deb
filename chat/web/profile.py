"""The own profile: what one is called, how one signs in, where one is signed in."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat import audit
from chat.accounts.people import change_email, change_password, person_by_id, rename_person
from chat.accounts.preferences import choose_theme, choose_times, order_rooms
from chat.accounts.sessions import revoke_other_sessions, revoke_own_session, sessions_of
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import SessionId
from chat.rooms.direct import directs_of
from chat.rooms.notification_levels import choose_first_levels, first_levels_of
from chat.templating import fragment
from chat.throttling.rules import OWN_PASSWORD, PROFILE
from chat.times import zones
from chat.web.announcing import announce_name
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import asker, forgive, throttle, welcome_browser
from chat.web.shell import shell_page

# An access token serves ten minutes before a browser shows that it is still in use.
JUST_USED = timedelta(minutes=15)


async def show_profile(request: Request) -> Response:
    return await _profile_page(request, {}, {}, request.query_params.get("saved", ""))


async def rename_myself(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    try:
        await throttle(request, PROFILE, "name")
        async with request.app.state.database.begin() as connection:
            await rename_person(connection, me.id, form.get("name", ""))
            renamed, directs = await person_by_id(connection, me.id), await directs_of(connection, me.id)
    except InvalidInput as invalid:
        return refused(await _profile_page(request, form, invalid.errors, ""), invalid)
    audit.record("renamed")
    await announce_name(request.app.state, renamed, directs)
    return _saved("name")


async def order_my_rooms(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    try:
        await throttle(request, PROFILE, "rooms_by")
        async with request.app.state.database.begin() as connection:
            await order_rooms(connection, me.id, form.get("rooms_by", ""), unread_first="unread_first" in form)
    except InvalidInput as invalid:
        return refused(await _profile_page(request, form, invalid.errors, ""), invalid)
    await request.app.state.notices.refresh_sidebars([me.id])
    return _saved("order")


async def choose_my_theme(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    try:
        await throttle(request, PROFILE, "theme")
        async with request.app.state.database.begin() as connection:
            await choose_theme(connection, me.id, form.get("theme", ""))
    except InvalidInput as invalid:
        return refused(await _profile_page(request, form, invalid.errors, ""), invalid)
    await request.app.state.notices.show_people([me.id], f'<chat-theme data-theme="{form["theme"]}"></chat-theme>')
    return _saved("theme")


async def choose_my_times(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    zone, hours = form.get("time_zone", ""), form.get("hours", "")
    try:
        await throttle(request, PROFILE, "time_zone")
        async with request.app.state.database.begin() as connection:
            await choose_times(connection, me.id, zone, hours)
    except InvalidInput as invalid:
        return refused(await _profile_page(request, form, invalid.errors, ""), invalid)
    shown = fragment("accounts/_times_changed.html", time_zone=zone, hours=hours)
    await request.app.state.notices.show_people([me.id], shown)
    return _saved("times")


async def choose_my_levels(request: Request) -> Response:
    """What I am told of rooms I come into, and of those I am in when I say so."""
    me, form = visitor(request), await read_form(request)
    room_level, direct_level = form.get("room_level", ""), form.get("direct_level", "")
    everywhere = "everywhere" in form
    try:
        await throttle(request, PROFILE, "room_level")
        async with request.app.state.database.begin() as connection:
            await choose_first_levels(connection, me.id, room_level, direct_level, everywhere=everywhere)
    except InvalidInput as invalid:
        return refused(await _profile_page(request, form, invalid.errors, ""), invalid)
    if everywhere:
        await request.app.state.notices.refresh_sidebars([me.id])
    return _saved("levels-everywhere" if everywhere else "levels")


async def change_my_email(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    email, password = form.get("email", ""), form.get("email_password", "")
    try:
        await throttle(request, OWN_PASSWORD, "email_password")
        ended = await change_email(request.app.state.database, me, password, email, asker(request))
    except InvalidInput as invalid:
        return refused(await _profile_page(request, form, invalid.errors, ""), invalid)
    audit.record("email_changed", ended_sessions=len(ended))
    await request.app.state.notices.end_sessions(ended)
    await forgive(request, OWN_PASSWORD)
    answer = _saved("email")
    await welcome_browser(request, answer, email)
    return answer


async def change_my_password(request: Request) -> Response:
    """Whoever else knew the old password is signed out with it."""
    me, form = visitor(request), await read_form(request)
    current, new, chat_name = (
        form.get("current_password", ""),
        form.get("password", ""),
        request.state.installation.name,
    )
    try:
        await throttle(request, OWN_PASSWORD, "current_password")
        ended = await change_password(
            request.app.state.database, me, current, new, chat_name=chat_name, asker=asker(request)
        )
    except InvalidInput as invalid:
        return refused(await _profile_page(request, {}, invalid.errors, ""), invalid)
    audit.record("password_changed", ended_sessions=len(ended))
    await request.app.state.notices.end_sessions(ended)
    await forgive(request, OWN_PASSWORD)
    return _saved("password")


async def end_other_sessions(request: Request) -> Response:
    me = visitor(request)
    async with request.app.state.database.begin() as connection:
        ended = await revoke_other_sessions(connection, me.id, me.session_id, datetime.now(UTC))
    audit.record("other_sessions_ended", ended_sessions=len(ended))
    await request.app.state.notices.end_sessions(ended)
    return _saved("others")


async def end_session(request: Request) -> Response:
    me, session_id = visitor(request), SessionId(request.path_params["session_id"])
    async with request.app.state.database.begin() as connection:
        await revoke_own_session(connection, me.id, session_id, datetime.now(UTC))
    audit.record("session_ended", session_id=session_id)
    await request.app.state.notices.end_sessions([session_id])
    return _saved("session")


async def my_style(request: Request) -> Response:
    """Return the visitor's private style sheet, which marks their messages, reactions and mentions."""
    css = fragment("accounts/me.css", me=visitor(request).id)
    return Response(css, media_type="text/css", headers={"Cache-Control": "private, max-age=86400"})


def _saved(what: str) -> Response:
    # Without a fragment of its own, a browser keeps the one of the form's action, and so the place on the page.
    return RedirectResponse(f"/profile?saved={what}", status_code=303)


async def _profile_page(request: Request, values: dict[str, str], errors: dict[str, str], saved: str) -> Response:
    me, now = visitor(request), datetime.now(UTC)
    async with reading(request.app.state.database) as connection:
        sittings = await sessions_of(connection, me, now)
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
        "values": kept | values,
        "errors": errors,
        "saved": saved,
        "zones": zones(),
        "sittings": sittings,
        "used_just_now": now - JUST_USED,
    }
    return await shell_page(request, "accounts/profile.html", context)


routes = [
    Route("/profile", show_profile),
    Route("/profile/name", rename_myself, methods=["POST"]),
    Route("/profile/rooms", order_my_rooms, methods=["POST"]),
    Route("/profile/theme", choose_my_theme, methods=["POST"]),
    Route("/profile/times", choose_my_times, methods=["POST"]),
    Route("/profile/levels", choose_my_levels, methods=["POST"]),
    Route("/profile/email", change_my_email, methods=["POST"]),
    Route("/profile/password", change_my_password, methods=["POST"]),
    Route("/profile/sessions/end-others", end_other_sessions, methods=["POST"]),
    Route("/profile/sessions/{session_id:id}/end", end_session, methods=["POST"]),
    Route("/me.css", my_style),
]
