"""A room's page: part of its history, the members online, and the composer."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from chat.accounts.person import Visitor
from chat.database.engine import reading
from chat.errors import NotFound
from chat.ids import MessageId, Position, Revision, RoomId
from chat.messages.history import HistoryPage, page_after, page_around, page_before
from chat.messages.message import Message
from chat.messages.page_cache import IN_PART
from chat.messages.reactions import quick_reactions
from chat.messages.rendering import markup_of_page
from chat.messages.revise import message_as_shown
from chat.rooms.header import Elsewhere, header_of
from chat.rooms.invites import Invite, invite_of
from chat.rooms.room import QUIET, Room, may_manage, may_post, room_of_member, room_of_member_and_version
from chat.rooms.settings import SLOW
from chat.rooms.sidebar import Sidebar, room_and_sidebar
from chat.state import Request
from chat.templating import Encoded, fragment
from chat.web.cookies import keep_last_room
from chat.web.forms import whole_number
from chat.web.invites import invite_url
from chat.web.middleware.session import installation, is_known_now, visitor
from chat.web.pages import page, page_with_sidebar, wants_part
from chat.web.path import message_id_in, room_id_in

NO_MARKUP = Encoded("")
IN_BAR = 3  # reactions in the bar of a message; its menu offers more


@cache
def _bar(tone: int) -> Encoded:
    """Return the markup of the bar of a message's actions."""
    return Encoded(fragment("messages/_bar.html", quick=quick_reactions()[:IN_BAR], tone=tone))


async def show_room(request: Request) -> Response:
    return await room_page(request)


async def show_room_around_message(request: Request) -> Response:
    """Show a message's permalink: its room at that message."""
    return await room_page(request, around=message_id_in(request))


async def reload_room(request: Request) -> Response:
    """Tell a page that is too far behind to catch up to reload."""
    visitor(request)
    return Response(status_code=204, headers={"HX-Refresh": "true"})


async def room_page(
    request: Request,
    *,
    room_id: RoomId | None = None,
    around: MessageId | None = None,
    composer: dict[str, object] | None = None,
) -> Response:
    """Render a room's page, by default of the room in the path, at its newest messages unless it asks for others.

    The revision is read before the messages. A page newer than its revision gets some changes twice, which does no
    harm.
    """
    state, room_id = request.state.chat, room_id or room_id_in(request)
    room, sidebar = await _room_and_sidebar(request, room_id)
    me = visitor(request)
    if sidebar and not room.is_member:
        return page_with_sidebar(request, "rooms/join.html", {"room": room}, sidebar)
    found, revision, (earlier_html, html) = await _shown_messages(request, room, around)
    online = await state.online_members.of(state.database, room.id, state.live.presence.online())
    invite = await _first_invite(state.database, me, room)
    composer = composer or {"client_id": uuid4(), "body": "", "error": ""}
    answered = await _answered(state.database, me, room.id, composer.get("reply_to"))
    elsewhere = sidebar.elsewhere(room.id) if sidebar else Elsewhere()
    context = {
        "room": room,
        "people": room.people,
        "page": found,
        "earlier_html": earlier_html,
        "html": html,
        "composer": composer | {"answered": answered},
        "bar_html": _bar(me.skin_tone),
        "epoch": installation(request).epoch,
        "revision": revision,
        "header_html": header_of(room, online.joined_by(me), elsewhere, request.state.installation_name),
        **_place(room, found, around, position_in(request, "after")),
        "writing": _writing(me, room),
        "invite": invite,
        "invite_url": invite_url(request, invite) if invite else "",
    }
    if sidebar is None:
        return page(request, "rooms/room.html", context)
    response = page_with_sidebar(request, "rooms/room.html", context, sidebar)
    keep_last_room(request, response, room.id)
    return response


async def _room_and_sidebar(request: Request, room_id: RoomId) -> tuple[Room, Sidebar | None]:
    """Return a room, and the sidebar unless the page that asks has one, for the visitor as they are now.

    Raises `SignInNeeded` or `NotFound`. If the session has changed since its last request, all is read again.
    """
    database, sidebar, version = request.state.chat.database, None, None
    while True:
        me = visitor(request)
        try:
            if wants_part(request):
                room, version = await room_of_member_and_version(database, me, room_id)
            else:
                room, sidebar, version = await room_and_sidebar(database, me, room_id)
        except NotFound:
            if await is_known_now(request, None):
                raise
        else:
            if await is_known_now(request, version):
                return room, sidebar


async def _answered(database: AsyncEngine, me: Visitor, room_id: RoomId, reply_to: object) -> Message | None:
    """Return the message that the composer answers."""
    if not isinstance(reply_to, int):
        return None
    async with reading(database) as connection:
        message, _ = await message_as_shown(connection, me, MessageId(reply_to))
    return message if message.room_id == room_id else None


async def show_room_head(request: Request) -> Response:
    """Return everything around a room's messages for an open page; the composer only if posting rights changed."""
    me, room_id, state = visitor(request), room_id_in(request), request.state.chat
    room = await room_of_member(state.database, me, room_id)
    online = await state.online_members.of(state.database, room.id, state.live.presence.online())
    context = {
        "room": room,
        "header_html": header_of(room, online, Elsewhere(), request.state.installation_name),
        "composer": {"client_id": uuid4(), "body": "", "error": ""},
        "writing": _writing(me, room),
        "shown": request.query_params.get("writing", ""),
    }
    return page(request, "rooms/_head.html", context)


def position_in(request: Request, name: str) -> Position | None:
    """Return the position in a room's history that a query parameter names; None if there is none."""
    text = request.query_params.get(name) if request.scope["query_string"] else None
    number = 0 if text == "0" else whole_number(text)
    return None if number is None else Position(number)


def _place(room: Room, found: HistoryPage, around: MessageId | None, after: Position | None) -> dict[str, object]:
    """Return the page's place in the room's history, and the read position of its reader."""
    return {
        "focus_id": around or (found.messages[0].id if after is not None and found.messages else None),
        "is_live": found.newer is None,
        "left_off": room.read_position if after is None else after,
        "unread_above": _unread_above(room, found) if found.newer is None and around is None else 0,
    }


async def _first_invite(database: AsyncEngine, visitor: Visitor, room: Room) -> Invite | None:
    """Return the invite link of an empty room whose manager is alone in it, if the link works."""
    if room.message_count or room.member_count > 1 or not may_manage(visitor, room):
        return None
    async with reading(database) as connection:
        invite = await invite_of(connection, room.id, datetime.now(UTC))
    return invite if invite and invite.works else None


def _unread_above(room: Room, shown: HistoryPage) -> int:
    """Return the number of unread messages if some of them are above the shown part, else 0."""
    if room.level in QUIET or not shown.messages or room.read_position >= shown.messages[0].position - 1:
        return 0
    return room.message_count - room.read_position


def _writing(visitor: Visitor, room: Room) -> str:
    """Return the visitor's way to post: none, because the room is archived or closed to them; free; or slow mode."""
    if room.is_archived:
        return "archived, to be restored" if may_manage(visitor, room) else "archived"
    if not may_post(visitor, room):
        return "closed"
    return SLOW[room.slow_seconds] if room.slow_seconds and not may_manage(visitor, room) else "free"


async def _shown_messages(
    request: Request, room: Room, around: MessageId | None
) -> tuple[HistoryPage, Revision, tuple[Encoded, Encoded]]:
    """Return part of the room's history, the revision that it has at least, and its markup in two parts."""
    before, after = position_in(request, "before"), position_in(request, "after")
    state = request.state.chat
    if around is None and before is None and after is None:
        newest = await state.newest_pages.at(state.database, installation(request), room.id, room.revision)
        if wants_part(request) and (few := _few(newest.page, room)):
            return few, newest.revision, (NO_MARKUP, newest.last_html)
        return newest.page, newest.revision, (newest.earlier_html, newest.last_html)
    async with reading(state.database) as connection:
        if around is not None:
            found = await page_around(connection, room.id, around)
        elif before is not None:
            found = await page_before(connection, room.id, before)
        else:
            found = await page_after(connection, room.id, after or Position(0))
    return found, room.revision, (NO_MARKUP, markup_of_page(found.messages))


def _few(page: HistoryPage, room: Room) -> HistoryPage | None:
    """Return the messages of a page that fill a screen, if they include all that the reader has not read."""
    shown = page.messages[-IN_PART:]
    if len(shown) == len(page.messages) or shown[0].position > room.read_position + 1:
        return None
    return replace(page, messages=shown, older=shown[0].position)
