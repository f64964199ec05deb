"""Signing up, in and out."""

from datetime import UTC, datetime

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat import audit
from chat.accounts.people import authenticate, check_registration, confirm, create_person, registration
from chat.accounts.sessions import revoke_session
from chat.database.engine import reading
from chat.errors import InvalidInput, TooManyRequests
from chat.ids import RoomId, UserId
from chat.rooms.invites import Invite, find_invite, follow_invite
from chat.rooms.members import join_first_room
from chat.templating import page
from chat.throttling.rules import FOLLOW_LINK, SIGN_UP
from chat.web.announcing import announce_arrival, announce_invite, announce_pages
from chat.web.cookies import take_tokens
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.throttling import asker, throttle, throttle_sign_in
from chat.web.signing_in import begin_session, signed_in


class _InviteUsedUp(Exception):
    """Somebody else has taken the link's last use since it was checked."""


async def show_sign_up(request: Request) -> Response:
    await throttle(request, FOLLOW_LINK)
    return await _sign_up_page(
        request, {}, {}, request.path_params.get("token", request.query_params.get("invite", ""))
    )


async def sign_up(request: Request) -> Response:
    form, installation = await read_form(request), request.state.installation
    invite = form.get("invite", "")
    if installation is None or not await _admits(request, invite):
        audit.record("sign_up_refused")
        return await _sign_up_page(request, form, {}, invite, status_code=403)
    try:
        typed = (form.get("name", ""), form.get("email", ""), form.get("password", ""), installation.name)
        check_registration(*typed)
        await throttle(request, SIGN_UP)
        new = await registration(*typed, asker(request))
        async with request.app.state.database.begin() as connection:
            user_id = await create_person(connection, new, "member")
            first_room = await join_first_room(connection, user_id)
            followed = await follow_invite(connection, user_id, invite, datetime.now(UTC))
            if not installation.sign_up_open and followed is None:
                raise _InviteUsedUp
            tokens = await begin_session(request, connection, user_id)
    except InvalidInput as invalid:
        return refused(await _sign_up_page(request, form, invalid.errors, invite), invalid)
    except _InviteUsedUp:
        audit.record("sign_up_refused")
        return await _sign_up_page(request, form, {}, invite, status_code=403)
    room_id = followed.room_id if followed else None
    audit.record("signed_up", user_id=user_id, invited=followed is not None, room_id=room_id)
    await _announce_newcomer(request.app.state, user_id, first_room, followed)
    return await signed_in(request, tokens, new.email, f"/rooms/{room_id}" if room_id else "/")


async def _announce_newcomer(state: State, user_id: UserId, first_room: RoomId | None, followed: Invite | None) -> None:
    await announce_pages(state, "/people")
    if followed is not None:
        await announce_invite(state, followed.room_id)
    for joined in {first_room, followed.room_id if followed else None}:
        if joined is not None:
            await announce_arrival(state, joined, [user_id])


async def show_sign_in(request: Request) -> Response:
    if request.state.visitor is not None:
        return RedirectResponse("/", status_code=303)
    return _sign_in_page(request, {}, {}, request.query_params.get("next", ""))


async def sign_in(request: Request) -> Response:
    form = await read_form(request)
    email, wanted = form.get("email", ""), form.get("next", "")
    try:
        await throttle_sign_in(request, email)
        password, database = form.get("password", ""), request.app.state.database
        credentials = await authenticate(database, email, password, asker(request, email))
        async with database.begin() as connection:
            tokens = await begin_session(request, connection, await confirm(connection, credentials))
    except InvalidInput as invalid:
        if not isinstance(invalid, TooManyRequests):
            # Only an e-mail address: people type a password into the wrong field.
            audit.record("sign_in_failed", account=email[:254] if "@" in email else "")
        return refused(_sign_in_page(request, form, invalid.errors, wanted), invalid)
    audit.record("signed_in", user_id=credentials.user_id)
    return await signed_in(request, tokens, email, wanted if _is_own_path(wanted) else "/")


async def sign_out(request: Request) -> Response:
    response = RedirectResponse("/sign-in", status_code=303)
    take_tokens(request, response.headers)
    if request.state.visitor is not None:
        session_id = request.state.visitor.session_id
        async with request.app.state.database.begin() as connection:
            await revoke_session(connection, session_id, datetime.now(UTC))
        audit.record("signed_out", session_id=session_id)
        await request.app.state.notices.end_sessions([session_id])
    return response


def _is_own_path(path: str) -> bool:
    # "//host" and "/\host" lead elsewhere.
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def _sign_in_page(request: Request, values: dict[str, str], errors: dict[str, str], wanted: str) -> Response:
    installation = request.state.installation
    if installation is None:
        return RedirectResponse("/first-run", status_code=303)
    context = {"values": values, "errors": errors, "next": wanted, "sign_up_open": installation.sign_up_open}
    return page(request, "accounts/sign_in.html", context)


async def _admits(request: Request, invite: str) -> bool:
    """Whether somebody may sign up: everybody may, or they have the link to this chat, or to one of its rooms."""
    installation = request.state.installation
    if installation.sign_up_open:
        return True
    async with reading(request.app.state.database) as connection:
        found = await find_invite(connection, invite, datetime.now(UTC))
    return found is not None and found.admits_strangers(installation)


async def _sign_up_page(
    request: Request, values: dict[str, str], errors: dict[str, str], invite: str, status_code: int = 200
) -> Response:
    installation = request.state.installation
    if installation is None:
        return RedirectResponse("/first-run", status_code=303)
    context = {"values": values, "errors": errors, "invite": invite, "closed": not await _admits(request, invite)}
    return page(request, "accounts/sign_up.html", context, status_code=status_code)


routes = [
    Route("/sign-up", show_sign_up),
    Route("/sign-up", sign_up, methods=["POST"]),
    Route("/invite/{token}", show_sign_up),
    Route("/sign-in", show_sign_in),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
