"""The first run: making the installation, its administrator and its first room."""

import logging
from datetime import UTC, datetime

from starlette.responses import Response

from chat import audit
from chat.accounts.installation import create_installation
from chat.accounts.set_up import is_set_up_code, set_up_invitation
from chat.accounts.sign_up import Registration, check_registration, create_person, registration, valid_name
from chat.database.engine import reading
from chat.errors import InvalidInput, NotFound
from chat.rooms.create import create_room
from chat.rooms.create import valid_name as valid_room_name
from chat.rooms.invites import USUAL_DAYS, USUAL_USES, make_invite
from chat.state import Request
from chat.throttling.rules import FIRST_RUN
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.client import is_directly_at_this_machine
from chat.web.middleware.throttling import asker, throttle
from chat.web.pages import page
from chat.web.signing_in import begin_session, signed_in

logger = logging.getLogger("chat")

FIELDS = {"installation_name": "", "room_name": "Lobby", "name": "", "email": ""}
WRONG_CODE = "This is not the set-up code of this chat."


async def show_first_run(request: Request) -> Response:
    """Show the form to a visitor with the set-up link or at this machine; tell others where to find the link."""
    _require_no_installation(request)
    code = request.query_params.get("code", "")
    if code:
        await throttle(request, FIRST_RUN)
    if not await _may_set_up(request, code):
        if code:
            audit.record("set_up_refused")
        return await _refuse(request, {"code": WRONG_CODE} if code else {})
    return _form(request, {**FIELDS, "code": code}, {})


async def set_up_chat(request: Request) -> Response:
    """Create the installation, its administrator and its first open room in one transaction."""
    _require_no_installation(request)
    form = await read_form(request)
    has_only_a_code = not form.keys() & FIELDS.keys()
    try:
        await throttle(request, FIRST_RUN)
        if not await _may_set_up(request, form.get("code", "")):
            audit.record("set_up_refused")
            return await _refuse(request, {"code": WRONG_CODE}, None if has_only_a_code else form)
        if has_only_a_code:
            return _form(request, FIELDS | form, {})
        new = await _checked(request, form)
        async with request.state.chat.change() as change:
            await create_installation(change, valid_name(form["installation_name"]))
            user_id = await create_person(change, new, "administrator")
            room_id = await create_room(change, user_id, form["room_name"], "open")
            await make_invite(change, user_id, room_id, days=USUAL_DAYS, uses=USUAL_USES, now=datetime.now(UTC))
            tokens = await begin_session(request, change, user_id)
    except InvalidInput as invalid:
        return refused(_form(request, FIELDS | form, invalid.errors), invalid)
    audit.record("chat_set_up", user_id=user_id)
    return await signed_in(request, tokens, new.email, "/")


def _require_no_installation(request: Request) -> None:
    if request.state.installation is not None:
        raise NotFound


async def _may_set_up(request: Request, code: str) -> bool:
    settings = request.state.chat.settings
    is_private = settings.has_private_database and settings.public_url is None
    if is_private and is_directly_at_this_machine(request):
        return True
    async with reading(request.state.chat.database) as connection:
        return bool(code) and await is_set_up_code(connection, settings, code)


async def _refuse(request: Request, errors: dict[str, str], typed: dict[str, str] | None = None) -> Response:
    """Tell where the set-up link is, and log it again: the database may have been created after the start."""
    chat = request.state.chat
    if chat.set_up_reminder.is_due():
        async with reading(chat.database) as connection:
            logger.warning("%s", await set_up_invitation(connection, chat.settings))
    if typed is not None:
        return _form(request, typed, errors, status_code=403)
    context = {"values": {}, "errors": errors, "has_own_code": chat.settings.setup_code is not None}
    return page(request, "accounts/not_set_up.html", context, status_code=403)


def _form(request: Request, values: dict[str, str], errors: dict[str, str], status_code: int = 200) -> Response:
    return page(request, "accounts/first_run.html", {"values": values, "errors": errors}, status_code=status_code)


async def _checked(request: Request, form: dict[str, str]) -> Registration:
    """Return the administrator's registration; raises `InvalidInput` with every wrong field of the page."""
    errors: dict[str, str] = {}
    for field, check in (("installation_name", valid_name), ("room_name", valid_room_name)):
        try:
            check(form.get(field, ""))
        except InvalidInput as invalid:
            errors[field] = invalid.errors["name"]
    typed = (form.get("name", ""), form.get("email", ""), form.get("password", ""), form.get("installation_name", ""))
    try:
        check_registration(*typed)
    except InvalidInput as invalid:
        errors |= invalid.errors
    if errors:
        raise InvalidInput(**errors)
    return await registration(*typed, asker(request))
