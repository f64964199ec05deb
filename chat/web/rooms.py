"""Rooms, their members, and direct conversations."""

from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from chat import audit
from chat.accounts.people import find_people, people_by_ids, person_by_id, time_zone_of
from chat.database.engine import reading
from chat.errors import InvalidInput
from chat.ids import RoomId, UserId
from chat.rooms.create import create_room, find_rooms
from chat.rooms.direct import direct_room
from chat.rooms.invites import renew_invite
from chat.rooms.members import (
    PAGE,
    add_member,
    candidates_for,
    count_owners,
    end_ownership,
    join_room,
    leave_room,
    make_owner,
    members_of,
    remove_member,
)
from chat.rooms.quick_switcher import destinations
from chat.rooms.room import Room, may_manage, room_of_member, visible_room
from chat.rooms.sidebar import sidebar_of
from chat.templating import is_htmx, page
from chat.throttling.rules import CHANGE_ROOM, FIND, INVITE, OPEN_DIRECT, OPEN_ROOM
from chat.times import in_zone
from chat.web.announcing import announce_arrival, announce_invite, announce_removal, announce_roles, announce_room
from chat.web.errors import refused
from chat.web.forms import read_choices, read_form, whole_number
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.shell import shell_page, sidebar_markup

# Members, among whom one needs no help to find somebody.
SEEN_AT_ONCE = 20
LONGEST_PATH = 100  # of the chat's own pages; it is cached with the sidebar


async def home(request: Request) -> Response:
    return await shell_page(request, "rooms/home.html", {})


async def show_sidebar(request: Request) -> Response:
    me = visitor(request)
    async with reading(request.app.state.database) as connection:
        sidebar = await sidebar_of(connection, me)
    html = sidebar_markup(sidebar, me, request.state.installation_name, _shown_on(request))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


async def switch(request: Request) -> Response:
    """The quick switcher: as a list for the dialog, as a page for everybody else."""
    me, query = visitor(request), request.query_params.get("q", "")
    await throttle(request, FIND)
    async with reading(request.app.state.database) as connection:
        found = await destinations(connection, me, query)
    context = {"destinations": found, "query": query}
    if is_htmx(request):
        return page(request, "rooms/_destinations.html", context)
    return await shell_page(request, "rooms/switch.html", context)


async def browse_rooms(request: Request) -> Response:
    me, query = visitor(request), request.query_params.get("q", "")
    archived = request.query_params.get("archived") == "yes"
    await throttle(request, FIND)
    async with reading(request.app.state.database) as connection:
        found = await find_rooms(connection, me.id, query, archived=archived)
    return await shell_page(request, "rooms/browse.html", {"rooms": found, "query": query, "archived": archived})


async def show_new_room(request: Request) -> Response:
    return await shell_page(request, "rooms/new.html", {"values": {"kind": "open"}, "errors": {}})


async def open_room(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    try:
        await throttle(request, OPEN_ROOM, "name")
        async with request.app.state.database.begin() as connection:
            room_id = await create_room(connection, me.id, form.get("name", ""), form.get("kind", ""))
    except InvalidInput as invalid:
        context = {"values": {"kind": "open"} | form, "errors": invalid.errors}
        return refused(await shell_page(request, "rooms/new.html", context), invalid)
    audit.record("room_opened", room_id=room_id, kind=form.get("kind"))
    await announce_room(request.app.state, me.id)
    return _to_room(room_id)


async def join(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE_ROOM)
    async with request.app.state.database.begin() as connection:
        room = await visible_room(connection, me, _room_id(request))
        await join_room(connection, me.id, room)
    audit.record("member_joined", room_id=room.id)
    await announce_arrival(request.app.state, room.id, [me.id])
    return _to_room(room.id)


async def leave(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE_ROOM)
    async with request.app.state.database.begin() as connection:
        room = await room_of_member(connection, me, _room_id(request))
        await leave_room(connection, me.id, room)
    audit.record("member_left", room_id=room.id)
    await announce_removal(request.app.state, room.id, me.id)
    return RedirectResponse("/", status_code=303)


async def show_members(request: Request) -> Response:
    return await _members_page(request, await _my_room(request), {})


async def add(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    room = await _my_room(request)
    person = UserId(whole_number(form.get("person")) or 0)
    try:
        await throttle(request, INVITE, "person")
        async with request.app.state.database.begin() as connection:
            await add_member(connection, me, room, person)
    except InvalidInput as invalid:
        return refused(await _members_page(request, room, invalid.errors), invalid)
    audit.record("member_added", room_id=room.id, member_id=person)
    await announce_arrival(request.app.state, room.id, [person])
    return _to_members(request, room)


async def remove(request: Request) -> Response:
    me, room = visitor(request), await _my_room(request)
    await throttle(request, CHANGE_ROOM)
    person = UserId(request.path_params["user_id"])
    async with request.app.state.database.begin() as connection:
        await remove_member(connection, me, room, person)
        is_renewed = await renew_invite(connection, room.id)
    audit.record("member_removed", room_id=room.id, member_id=person, invite_renewed=is_renewed)
    await announce_removal(request.app.state, room.id, person)
    if is_renewed:
        await announce_invite(request.app.state, room.id)
    return _to_members(request, room, "removed-and-renewed" if is_renewed else "removed")


async def share(request: Request) -> Response:
    """Somebody manages the room from now on, too."""
    me, room = visitor(request), await _my_room(request)
    await throttle(request, CHANGE_ROOM)
    async with request.app.state.database.begin() as connection:
        await make_owner(connection, me, room, UserId(request.path_params["user_id"]))
    audit.record("owner_made", room_id=room.id, member_id=request.path_params["user_id"])
    await announce_roles(request.app.state, room.id)
    return _to_members(request, room)


async def unshare(request: Request) -> Response:
    """Somebody, perhaps the visitor, is an owner no longer."""
    me, room = visitor(request), await _my_room(request)
    await throttle(request, CHANGE_ROOM)
    async with request.app.state.database.begin() as connection:
        await end_ownership(connection, me, room, UserId(request.path_params["user_id"]))
    audit.record("owner_ended", room_id=room.id, member_id=request.path_params["user_id"])
    await announce_roles(request.app.state, room.id)
    return _to_members(request, room)


async def list_people(request: Request) -> Response:
    visitor(request)
    await throttle(request, FIND)
    query = request.query_params.get("q", "")
    async with reading(request.app.state.database) as connection:
        people = await find_people(connection, query)
    return await shell_page(request, "rooms/people.html", {"people": people, "query": query})


async def show_person(request: Request) -> Response:
    visitor(request)
    async with reading(request.app.state.database) as connection:
        person = await person_by_id(connection, UserId(request.path_params["user_id"]))
        zone = await time_zone_of(connection, person.id)
    there = in_zone(datetime.now(UTC), zone) if zone else None
    context = {"person": person, "there": there}
    return await shell_page(request, "rooms/person.html", context)


async def show_new_direct(request: Request) -> Response:
    return await _new_direct_page(request, request.query_params.getlist("person"), {})


async def open_direct(request: Request) -> Response:
    me, chosen = visitor(request), await read_choices(request, "person")
    people = [UserId(whole_number(choice) or 0) for choice in chosen]
    try:
        if not people:
            raise InvalidInput(person="Choose at least one person.")
        await throttle(request, OPEN_DIRECT, "person")
        async with request.app.state.database.begin() as connection:
            room_id = await direct_room(connection, me.id, people)
    except InvalidInput as invalid:
        return refused(await _new_direct_page(request, chosen, invalid.errors), invalid)
    await request.app.state.notices.refresh_sidebars([me.id, *people])
    return _to_room(room_id)


def _shown_on(request: Request) -> str:
    """Return the path of the requesting page, "" if the header is no address of the chat."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", "")).path[:LONGEST_PATH]
    except ValueError:
        return ""


def _room_id(request: Request) -> RoomId:
    return RoomId(request.path_params["room_id"])


def _to_room(room_id: RoomId) -> Response:
    return RedirectResponse(f"/rooms/{room_id}", status_code=303)


def _to_members(request: Request, room: Room, saved: str = "") -> Response:
    """Back to whom one has found, to see what became of them."""
    shown = {"q": request.query_params.get("q"), "saved": saved}
    query = urlencode({name: value for name, value in shown.items() if value})
    return RedirectResponse(f"/rooms/{room.id}/members?{query}".rstrip("?"), status_code=303)


async def _my_room(request: Request) -> Room:
    async with reading(request.app.state.database) as connection:
        return await room_of_member(connection, visitor(request), _room_id(request))


async def _members_page(request: Request, room: Room, errors: dict[str, str]) -> Response:
    query = request.query_params.get("q", "")
    manages, is_crowd = may_manage(visitor(request), room), room.member_count > SEEN_AT_ONCE
    async with reading(request.app.state.database) as connection:
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


async def _new_direct_page(request: Request, chosen: list[str], errors: dict[str, str]) -> Response:
    me, query = visitor(request), request.query_params.get("q", "")
    async with reading(request.app.state.database) as connection:
        ticked = await people_by_ids(connection, [UserId(whole_number(choice) or 0) for choice in chosen])
        found = await find_people(connection, query)
    people = [person for person in dict.fromkeys([*ticked, *found]) if person.id != me.id]
    context = {"people": people, "values": {"person": chosen}, "errors": errors, "query": query}
    return await shell_page(request, "rooms/new_direct.html", context)


routes = [
    Route("/", home),
    Route("/sidebar", show_sidebar),
    Route("/switch", switch),
    Route("/rooms", browse_rooms),
    Route("/rooms", open_room, methods=["POST"]),
    Route("/rooms/new", show_new_room),
    Route("/rooms/{room_id:id}/join", join, methods=["POST"]),
    Route("/rooms/{room_id:id}/leave", leave, methods=["POST"]),
    Route("/rooms/{room_id:id}/members", show_members),
    Route("/rooms/{room_id:id}/members", add, methods=["POST"]),
    Route("/rooms/{room_id:id}/members/{user_id:id}/remove", remove, methods=["POST"]),
    Route("/rooms/{room_id:id}/members/{user_id:id}/owner", share, methods=["POST"]),
    Route("/rooms/{room_id:id}/members/{user_id:id}/owner/end", unshare, methods=["POST"]),
    Route("/people", list_people),
    Route("/people/{user_id:id}", show_person),
    Route("/direct/new", show_new_direct),
    Route("/direct", open_direct, methods=["POST"]),
]
