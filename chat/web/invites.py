"""A room's invite link: made, shown and ended by its managers, followed by people who have it."""

from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.database.engine import reading
from chat.errors import InvalidInput, NotFound
from chat.rooms import invites
from chat.rooms.invites import (
    LIFETIMES,
    USES,
    USUAL_DAYS,
    USUAL_USES,
    Invite,
    find_invite,
    follow_invite,
    invite_of,
    qr_code,
)
from chat.rooms.room import Room, require_manager, room_of_member
from chat.state import Request
from chat.throttling.rules import FOLLOW_LINK, MAKE_LINK
from chat.web.errors import refused
from chat.web.forms import read_form
from chat.web.middleware.origin import own_origin
from chat.web.middleware.session import installation, visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import page, shell_page
from chat.web.path import room_id_in


async def show_invite(request: Request) -> Response:
    room, invite = await _managed_room(request)
    return await _invite_page(request, room, invite, {}, {})


async def make_invite(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    days, uses = form.get("days", USUAL_DAYS), form.get("uses", USUAL_USES)
    room, invite = await _managed_room(request)
    try:
        await throttle(request, MAKE_LINK, "days")
        async with request.state.chat.change() as change:
            await invites.make_invite(change, me.id, room.id, days=days, uses=uses, now=datetime.now(UTC))
    except InvalidInput as invalid:
        return refused(await _invite_page(request, room, invite, form, invalid.errors), invalid)
    audit.record("invite_made", room_id=room.id, days=days, most_uses=uses)
    return RedirectResponse(f"/rooms/{room.id}/invite", status_code=303)


async def end_invite(request: Request) -> Response:
    room, _ = await _managed_room(request)
    async with request.state.chat.change() as change:
        await invites.end_invite(change, room.id)
    audit.record("invite_ended", room_id=room.id)
    return RedirectResponse(f"/rooms/{room.id}/invite", status_code=303)


async def show_qr_code(request: Request) -> Response:
    _, invite = await _managed_room(request)
    if invite is None or not invite.works:
        raise NotFound
    headers = {"Cache-Control": "no-store"}
    return Response(qr_code(invite_url(request, invite)), media_type="image/svg+xml", headers=headers)


async def show_invitation(request: Request) -> Response:
    """Follow a link: redirect a member to the room, and ask others whether to join."""
    if request.state.installation is None:
        return RedirectResponse("/first-run", status_code=303)
    token, me = request.path_params["token"], request.state.visitor
    await throttle(request, FOLLOW_LINK)
    async with reading(request.state.chat.database) as connection:
        invite = await find_invite(connection, token, datetime.now(UTC))
    if invite is None or invite.room_id is None:
        return _ended(request, status_code=404)
    if me is not None and await request.state.chat.seats.has(me.id, invite.room_id):
        return RedirectResponse(f"/rooms/{invite.room_id}", status_code=303)
    if not invite.works:
        return _ended(request, status_code=410)
    chat_itself = installation(request)
    admits = chat_itself.sign_up_open or invite.admits_strangers(chat_itself)
    return page(request, "rooms/invited.html", {"invite": invite, "admits_strangers": admits})


async def accept_invitation(request: Request) -> Response:
    me, token = visitor(request), request.path_params["token"]
    await throttle(request, FOLLOW_LINK)
    async with request.state.chat.change() as change:
        invite = await find_invite(change.connection, token, datetime.now(UTC))
        if invite is not None and invite.room_id is not None:
            invite = await follow_invite(change, me.id, token, datetime.now(UTC))
    if invite is None or invite.room_id is None:
        return _ended(request, status_code=410)
    audit.record("invite_used", room_id=invite.room_id)
    return RedirectResponse(f"/rooms/{invite.room_id}", status_code=303)


def _ended(request: Request, status_code: int) -> Response:
    audit.record("invite_refused")
    return page(request, "rooms/invitation_ended.html", status_code=status_code)


async def _managed_room(request: Request) -> tuple[Room, Invite | None]:
    me, room_id = visitor(request), room_id_in(request)
    async with reading(request.state.chat.database) as connection:
        room = await room_of_member(connection, me, room_id)
        require_manager(me, room)
        return room, await invite_of(connection, room.id, datetime.now(UTC))


async def _invite_page(
    request: Request, room: Room, invite: Invite | None, values: dict[str, str], errors: dict[str, str]
) -> Response:
    chat_itself = installation(request)
    context = {
        "room": room,
        "invite": invite,
        "url": invite_url(request, invite) if invite else "",
        "lifetimes": LIFETIMES,
        "uses": USES,
        "values": {"days": USUAL_DAYS, "uses": USUAL_USES} | values,
        "admits_strangers": chat_itself.sign_up_open or chat_itself.rooms_admit_strangers,
        "errors": errors,
    }
    return await shell_page(request, "rooms/invite.html", context)


def invite_url(request: Request, invite: Invite) -> str:
    """Return the address of an invite link."""
    return f"{own_origin(request, request.state.chat.settings.public_url)}{invite.path}"
