"""Signing up, in and out; the administrator's page."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chat.accounts.installation import create_installation, installation_of, open_sign_up, reset_invite
from chat.accounts.people import (
    Registration,
    authenticate,
    check_registration,
    create_person,
    registration,
    valid_name,
)
from chat.accounts.sessions import open_session, revoke_session
from chat.accounts.tokens import Tokens
from chat.database import reading
from chat.errors import InvalidInput, NotFound
from chat.ids import UserId
from chat.rooms.announcing import announce_arrival
from chat.rooms.inviting import find_invite, follow_invite
from chat.rooms.members import join_first_room
from chat.rooms.opening import create_room
from chat.rooms.opening import valid_name as valid_room_name
from chat.templating import page
from chat.throttling.rules import FIRST_RUN, FOLLOW_LINK, SIGN_UP
from chat.web.cookies import give_tokens, is_secure, take_tokens
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.origin import own_origin
from chat.web.session import administrator
from chat.web.shell import shell_page
from chat.web.throttling import asker, throttle, throttle_sign_in, welcome_browser

FIRST_RUN_FIELDS = {"installation_name": "", "room_name": "Lobby", "name": "", "email": ""}


async def show_first_run(request: Request) -> Response:
    if request.state.installation is not None:
        raise NotFound
    return page(request, "accounts/first_run.html", {"values": FIRST_RUN_FIELDS, "errors": {}})


async def first_run(request: Request) -> Response:
    """Make the installation, its first administrator and its first open room, all or nothing."""
    if request.state.installation is not None:
        raise NotFound
    form = await read_form(request)
    try:
        await throttle(request, FIRST_RUN)
        new = await _checked_first_run(request, form)
        async with request.app.state.database.begin() as connection:
            await create_installation(connection, valid_name(form["installation_name"]))
            user_id = await create_person(connection, new, "administrator")
            await create_room(connection, user_id, form["room_name"], "open")
            tokens = await _open_session(request, connection, user_id)
    except InvalidInput as invalid:
        answer = page(request, "accounts/first_run.html", {"values": form, "errors": invalid.errors})
        return refused(answer, invalid)
    return await _signed_in(request, tokens, new.email, "/")


async def show_sign_up(request: Request) -> Response:
    await throttle(request, FOLLOW_LINK)
    return await _sign_up_page(
        request, {}, {}, request.path_params.get("token", request.query_params.get("invite", ""))
    )


async def sign_up(request: Request) -> Response:
    form = await read_form(request)
    invite = form.get("invite", "")
    installation = request.state.installation
    if installation is None or not await _admits(request, invite):
        return await _sign_up_page(request, form, {}, invite, status_code=403)
    try:
        typed = (form.get("name", ""), form.get("email", ""), form.get("password", ""))
        check_registration(*typed)
        await throttle(request, SIGN_UP)
        new = await registration(*typed, asker(request))
        async with request.app.state.database.begin() as connection:
            user_id = await create_person(connection, new, "member")
            first_room = await join_first_room(connection, user_id)
            room_id = await follow_invite(connection, user_id, invite, datetime.now(UTC))
            tokens = await _open_session(request, connection, user_id)
    except InvalidInput as invalid:
        return refused(await _sign_up_page(request, form, invalid.errors, invite), invalid)
    for joined in {first_room, room_id}:
        if joined is not None:
            await announce_arrival(request.app.state, joined, [user_id])
    return await _signed_in(request, tokens, new.email, f"/rooms/{room_id}" if room_id else "/")


async def show_sign_in(request: Request) -> Response:
    if request.state.visitor is not None:
        return RedirectResponse("/", status_code=303)
    return _sign_in_page(request, {}, {}, request.query_params.get("next", ""))


async def sign_in(request: Request) -> Response:
    form = await read_form(request)
    email, wanted = form.get("email", ""), form.get("next", "")
    try:
        await throttle_sign_in(request, email)
        user_id = await authenticate(request.app.state.database, email, form.get("password", ""), asker(request, email))
    except InvalidInput as invalid:
        return refused(_sign_in_page(request, form, invalid.errors, wanted), invalid)
    async with request.app.state.database.begin() as connection:
        tokens = await _open_session(request, connection, user_id)
    return await _signed_in(request, tokens, email, wanted if _is_own_path(wanted) else "/")


async def sign_out(request: Request) -> Response:
    response = RedirectResponse("/sign-in", status_code=303)
    take_tokens(request, response.headers)
    if request.state.visitor is not None:
        session_id = request.state.visitor.session_id
        async with request.app.state.database.begin() as connection:
            await revoke_session(connection, session_id, datetime.now(UTC))
        await request.app.state.notices.end_sessions([session_id])
    return response


async def show_admin(request: Request) -> Response:
    administrator(request)
    installation = request.state.installation
    origin = own_origin(request, request.app.state.settings.public_url)
    token = installation.invite_token
    context = {
        "sign_up_open": installation.sign_up_open,
        "invite_url": f"{origin}/invite/{token}" if token else "",
        "insecure": not is_secure(request),
        "saved": request.query_params.get("saved", ""),
    }
    return await shell_page(request, "accounts/admin.html", context)


async def choose_sign_up(request: Request) -> Response:
    administrator(request)
    form = await read_form(request)
    async with request.app.state.database.begin() as connection:
        await open_sign_up(connection, form.get("open") == "yes")
        current = await installation_of(connection)
        if current is not None and current.invite_token is None:
            await reset_invite(connection)
    return RedirectResponse("/admin?saved=sign-up", status_code=303)


async def make_invite(request: Request) -> Response:
    administrator(request)
    async with request.app.state.database.begin() as connection:
        await reset_invite(connection)
    return RedirectResponse("/admin?saved=invite", status_code=303)


async def _checked_first_run(request: Request, form: dict[str, str]) -> Registration:
    """The administrator's registration; raises `InvalidInput` for every field of the page that is wrong."""
    errors: dict[str, str] = {}
    for field, check in (("installation_name", valid_name), ("room_name", valid_room_name)):
        try:
            check(form.get(field, ""))
        except InvalidInput as invalid:
            errors[field] = invalid.errors["name"]
    typed = (form.get("name", ""), form.get("email", ""), form.get("password", ""))
    try:
        check_registration(*typed)
    except InvalidInput as invalid:
        errors |= invalid.errors
    if errors:
        raise InvalidInput(**errors)
    return await registration(*typed, asker(request))


async def _open_session(request: Request, connection: AsyncConnection, user_id: UserId) -> Tokens:
    agent = request.headers.get("user-agent", "")
    return await open_session(connection, request.app.state.signer, user_id, agent, datetime.now(UTC))


async def _signed_in(request: Request, tokens: Tokens, email: str, destination: str) -> Response:
    response = RedirectResponse(destination, status_code=303)
    give_tokens(request, response.headers, tokens)
    await welcome_browser(request, response, email)
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
    if request.state.installation.admits(invite):
        return True
    async with reading(request.app.state.database) as connection:
        room = await find_invite(connection, invite, datetime.now(UTC))
    return room is not None and not room.has_expired


async def _sign_up_page(
    request: Request, values: dict[str, str], errors: dict[str, str], invite: str, status_code: int = 200
) -> Response:
    installation = request.state.installation
    if installation is None:
        return RedirectResponse("/first-run", status_code=303)
    context = {"values": values, "errors": errors, "invite": invite, "closed": not await _admits(request, invite)}
    return page(request, "accounts/sign_up.html", context, status_code=status_code)


routes = [
    Route("/first-run", show_first_run),
    Route("/first-run", first_run, methods=["POST"]),
    Route("/sign-up", show_sign_up),
    Route("/sign-up", sign_up, methods=["POST"]),
    Route("/invite/{token}", show_sign_up),
    Route("/sign-in", show_sign_in),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/admin", show_admin),
    Route("/admin/sign-up", choose_sign_up, methods=["POST"]),
    Route("/admin/invite", make_invite, methods=["POST"]),
]
