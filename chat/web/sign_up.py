"""Signing up, with or without an invite link."""

from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.accounts.installation import Installation
from chat.accounts.sign_up import Registration, check_registration, create_person, registration
from chat.change import Change
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.rooms.invites import Invite, find_invite, follow_invite
from chat.rooms.members import join_first_room
from chat.state import Request
from chat.throttling.rules import FOLLOW_LINK, SIGN_UP
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.throttling import asker, throttle
from chat.web.pages import page
from chat.web.signing_in import begin_session, signed_in


class _InviteUsedUp(Exception):
    """The link was used up after it was checked."""


async def show_sign_up(request: Request) -> Response:
    await throttle(request, FOLLOW_LINK)
    invite = request.path_params.get("token", request.query_params.get("invite", ""))
    return await _sign_up_page(request, {}, {}, invite)


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
        async with request.state.chat.change() as change:
            user_id, followed = await _add_person(change, installation, new, invite)
            tokens = await begin_session(request, change, user_id)
    except InvalidInput as invalid:
        return refused(await _sign_up_page(request, form, invalid.errors, invite), invalid)
    except _InviteUsedUp:
        audit.record("sign_up_refused")
        return await _sign_up_page(request, form, {}, invite, status_code=403)
    room_id = followed.room_id if followed else None
    audit.record("signed_up", user_id=user_id, invited=followed is not None, room_id=room_id)
    return await signed_in(request, tokens, new.email, f"/rooms/{room_id}" if room_id else "/")


async def _add_person(
    change: Change, installation: Installation, new: Registration, token: str
) -> tuple[UserId, Invite | None]:
    """Create an account in the first room and, with a link, in the link's room; return the link that was used."""
    user_id = await create_person(change, new, "member")
    # First the link, which counts only people who are not members yet.
    followed = await follow_invite(change, user_id, token, datetime.now(UTC))
    await join_first_room(change, user_id)
    if not installation.sign_up_open and followed is None:
        raise _InviteUsedUp
    return user_id, followed


async def _admits(request: Request, invite: str) -> bool:
    """Tell whether a stranger may sign up: sign-up is open, or they have a link to the chat or to one of its rooms."""
    installation = request.state.installation
    if installation is None or installation.sign_up_open:
        return installation is not None
    async with reading(request.state.chat.database) as connection:
        found = await find_invite(connection, invite, datetime.now(UTC))
    return found is not None and found.admits_strangers(installation)


async def _sign_up_page(
    request: Request, values: dict[str, str], errors: dict[str, str], invite: str, status_code: int = 200
) -> Response:
    if request.state.installation is None:
        return RedirectResponse("/first-run", status_code=303)
    context = {"values": values, "errors": errors, "invite": invite, "closed": not await _admits(request, invite)}
    return page(request, "accounts/sign_up.html", context, status_code=status_code)
