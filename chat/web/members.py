"""A room's members: listing them, and adding and removing them."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from chat import audit
from chat.accounts.person import Visitor
from chat.change import Change
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.rooms import members
from chat.rooms.invites import renew_invite
from chat.rooms.members import PAGE, candidates_for, count_owners, members_of
from chat.rooms.room import Room, may_manage
from chat.state import Request
from chat.throttling.rules import CHANGE_ROOM, INVITE
from chat.web.errors import refused
from chat.web.forms import read_form, whole_number
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import shell_page
from chat.web.path import room_in, user_id_in

# A longer list of members can be searched.
SEEN_AT_ONCE = 20


async def list_members(request: Request) -> Response:
    return await _members_page(request, await room_in(request), {})


async def add_member(request: Request) -> Response:
    me, form, room = visitor(request), await read_form(request), await room_in(request)
    person = UserId(whole_number(form.get("person")) or 0)
    try:
        await throttle(request, INVITE, "person")
        async with request.state.chat.change() as change:
            await members.add_member(change, me, room, person)
    except InvalidInput as invalid:
        return refused(await _members_page(request, room, invalid.errors), invalid)
    audit.record("member_added", room_id=room.id, member_id=person)
    return _to_members(request, room)


async def remove_member(request: Request) -> Response:
    me, room, person = visitor(request), await room_in(request), user_id_in(request)
    await throttle(request, CHANGE_ROOM)
    async with request.state.chat.change() as change:
        await members.remove_member(change, me, room, person)
        is_renewed = await renew_invite(change, room.id)
    audit.record("member_removed", room_id=room.id, member_id=person, invite_renewed=is_renewed)
    return _to_members(request, room, "removed-and-renewed" if is_renewed else "removed")


async def make_owner(request: Request) -> Response:
    room, person = await _managed(request, members.make_owner)
    audit.record("owner_made", room_id=room.id, member_id=person)
    return _to_members(request, room)


async def end_ownership(request: Request) -> Response:
    room, person = await _managed(request, members.end_ownership)
    audit.record("owner_ended", room_id=room.id, member_id=person)
    return _to_members(request, room)


async def _managed(
    request: Request, act: Callable[[Change, Visitor, Room, UserId], Awaitable[None]]
) -> tuple[Room, UserId]:
    """Let the visitor change the role of the person in the path, and return the room and the person."""
    me, room, person = visitor(request), await room_in(request), user_id_in(request)
    await throttle(request, CHANGE_ROOM)
    async with request.state.chat.change() as change:
        await act(change, me, room, person)
    return room, person


def _to_members(request: Request, room: Room, saved: str = "") -> Response:
    """Redirect to the members that the visitor had searched for."""
    shown = {"q": request.query_params.get("q"), "saved": saved}
    query = urlencode({name: value for name, value in shown.items() if value})
    return RedirectResponse(f"/rooms/{room.id}/members?{query}".rstrip("?"), status_code=303)


async def _members_page(request: Request, room: Room, errors: dict[str, str]) -> Response:
    query = request.query_params.get("q", "")
    manages, is_crowd = may_manage(visitor(request), room), room.member_count > SEEN_AT_ONCE
    async with reading(request.state.chat.database) as connection:
        found = await members_of(connection, room.id, query if is_crowd else "")
        candidates = await candidates_for(connection, room.id, query) if manages else []
        owners = await count_owners(connection, room.id) if manages else 0
    context = {
        "room": room,
        "members": found[:PAGE],
        "has_more": len(found) > PAGE,
        "is_crowd": is_crowd,
        "may_manage": manages,
        "may_end_ownership": owners > 1,
        "candidates": candidates,
        "query": query,
        "errors": errors,
        "saved": request.query_params.get("saved", ""),
    }
    return await shell_page(request, "rooms/members.html", context)
