"""The conversation: the room's page, its history, posting."""

import json
from uuid import UUID, uuid4

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from chat.crash import crash_point
from chat.database.engine import reading
from chat.errors import InvalidInput, NotFound, TooManyRequests
from chat.ids import MessageId, Position, RoomId
from chat.messages.commands import obey
from chat.messages.completions import completions_of
from chat.messages.emoji import find_emoji, often_used
from chat.messages.history import message_at, page_after, page_before
from chat.messages.mentions import mentions_of
from chat.messages.message import Message
from chat.messages.quote import quoted
from chat.messages.reactions import react
from chat.messages.rendering import markup_of_page
from chat.messages.revise import (
    Outcome,
    delete_message,
    edit_message,
    may_delete,
    message_as_shown,
    own_message,
    readable_message,
)
from chat.messages.summary import in_short
from chat.rooms.members import member_ids
from chat.rooms.read_positions import mark_read, mark_unread_from
from chat.rooms.room import may_post, room_of_member
from chat.templating import is_htmx, page
from chat.throttling.rules import CHANGE, FIND, POST, TYPING
from chat.web.announcing import announce_news
from chat.web.errors import refused
from chat.web.forms import read_form, whole_number
from chat.web.message_changes import announce, changed
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.room_page import position_in, room_head, room_page
from chat.web.shell import shell_page


async def show_room(request: Request) -> Response:
    return await room_page(request)


async def show_message(request: Request) -> Response:
    """A permalink: the room around one message."""
    return await room_page(request, around=_message_id(request))


async def show_in_short(request: Request) -> Response:
    """A message as a notification says it, or nothing when it is gone."""
    me, position = visitor(request), Position(request.path_params["position"])
    async with reading(request.app.state.database) as connection:
        room = await room_of_member(connection, me, _room_id(request))
        message = await message_at(connection, room.id, position)
    if message is None:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return PlainTextResponse(in_short(room, message), headers={"Cache-Control": "no-store"})


async def show_history(request: Request) -> Response:
    """A further page of messages, for a room page that is open."""
    me, room_id = visitor(request), _room_id(request)
    before, after = position_in(request, "before"), position_in(request, "after")
    async with reading(request.app.state.database) as connection:
        room = await room_of_member(connection, me, room_id)
        if after is not None:
            found = await page_after(connection, room.id, after)
        else:
            found = await page_before(connection, room.id, before)
    context = {
        "room": room,
        "page": found,
        "html": markup_of_page(found.messages),
        "is_older": after is None,
        "revision": room.revision,
        "epoch": request.state.installation.epoch,
    }
    return page(request, "messages/history.html", context)


async def reload_room(request: Request) -> Response:
    """What a page asks for that is too far behind to catch up: htmx then loads it anew."""
    visitor(request)
    return Response(status_code=204, headers={"HX-Refresh": "true"})


async def read(request: Request) -> Response:
    """Mark the room as read up to a position; without JavaScript the reader does so with a button."""
    room_id, form = _room_id(request), await read_form(request)
    await _mark_read(request, room_id, Position(whole_number(form.get("position")) or 0))
    if "from" in form:
        return RedirectResponse(f"/rooms/{room_id}", status_code=303)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def _mark_read(request: Request, room_id: RoomId, position: Position) -> None:
    me = visitor(request)
    async with request.app.state.database.begin() as connection:
        has_moved = await mark_read(connection, me.id, room_id, position)
    if has_moved:
        await request.app.state.notices.tell_read(me.id, room_id, position)


async def mark_unread(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE)
    async with request.app.state.database.begin() as connection:
        marked = await mark_unread_from(connection, me.id, _message_id(request))
    if marked is None:
        raise NotFound
    await request.app.state.notices.tell_read(me.id, *marked)
    if is_htmx(request):
        return Response(headers={"HX-Trigger": json.dumps({"unread": {"position": marked[1]}})})
    return RedirectResponse("/", status_code=303)


async def show_actions(request: Request) -> Response:
    """What the visitor may do with a message."""
    me = visitor(request)
    async with reading(request.app.state.database) as connection:
        message, _ = await readable_message(connection, me, _message_id(request))
        room = await room_of_member(connection, me, message.room_id)
    context = {
        "message": message,
        "quick": () if room.is_archived else often_used()[:QUICK],
        "may_post": may_post(me, room),
        "may_edit": message.author.id == me.id and not room.is_archived,
        "may_delete": may_delete(me, message) and not room.is_archived,
    }
    if is_htmx(request):
        return page(request, "messages/_actions.html", context)
    return await shell_page(request, "messages/actions.html", context)


async def post(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    room_id, client_id = _room_id(request), _client_id(form.get("client_id"))
    try:
        await throttle(request, POST, "body")
        said = await obey(request, room_id, form.get("body", ""))
        if isinstance(said, Response):
            return _elsewhere(request, said)
        posted = await request.app.state.posting.post(me, room_id, said, client_id)
    except InvalidInput as invalid:
        error = invalid.errors["body"]
        if is_htmx(request):
            promise = invalid.promise if isinstance(invalid, TooManyRequests) else None
            return refused(page(request, "messages/_rejected.html", {"error": promise or error}), invalid)
        composer = {"client_id": client_id, "body": form.get("body", ""), "error": error}
        return refused(await room_page(request, composer=composer), invalid)
    if posted.is_new:
        await request.app.state.throttling.forget(TYPING, {"room": f"{room_id}/{me.id}"})
        await _announce_direct(request, posted.message)
        if posted.mentioned:
            await request.app.state.notices.tell_mentioned(posted.mentioned, room_id, posted.message.position)
    if not is_htmx(request):
        await _mark_read(request, room_id, posted.message.position)
    if not is_htmx(request) or form.get("from") == "past":
        return _elsewhere(request, RedirectResponse(f"/rooms/{room_id}#m-{posted.message.id}", status_code=303))
    response = page(request, "messages/_posted.html", {"html": posted.html, "client_id": uuid4()})
    response.background = BackgroundTask(_after_reply)
    return response


def _elsewhere(request: Request, redirect: Response) -> Response:
    """Where a command leads: the page in front of somebody goes there as a whole."""
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": redirect.headers["Location"]})
    return redirect


async def reply(request: Request) -> Response:
    """A message as the beginning of an answer: quoted, with the way back to it."""
    me = visitor(request)
    async with reading(request.app.state.database) as connection:
        message, body = await readable_message(connection, me, _message_id(request))
    if is_htmx(request):
        return Response(headers={"HX-Trigger": json.dumps({"quote": {"text": quoted(message, body)}})})
    composer = {"client_id": uuid4(), "body": quoted(message, body), "error": ""}
    return await room_page(request, room_id=message.room_id, composer=composer)


async def show_reactions(request: Request) -> Response:
    """All there is to react with."""
    me = visitor(request)
    async with reading(request.app.state.database) as connection:
        message, _ = await readable_message(connection, me, _message_id(request))
    context = {"message": message, "emoji": often_used(), "query": ""}
    if is_htmx(request):
        return page(request, "messages/_picker.html", context)
    return await shell_page(request, "messages/react.html", context)


async def change_reaction(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    await throttle(request, CHANGE)
    message = await react(request.app.state.database, me, _message_id(request), form.get("emoji", ""))
    await announce(request, message)
    return changed(request, message)


async def complete(request: Request) -> Response:
    """What the word that is being typed can become."""
    me, word = visitor(request), request.query_params.get("word", "")
    await throttle(request, FIND)
    async with reading(request.app.state.database) as connection:
        found = await completions_of(connection, me, _room_id(request), word)
    return page(request, "messages/_completions.html", {"completions": found})


async def pick_emoji(request: Request) -> Response:
    """Emoji to choose from."""
    visitor(request)
    query = request.query_params.get("q", "").strip()
    found = find_emoji(query, MOST_EMOJI) if query else often_used()
    template = "messages/_emoji.html" if "q" in request.query_params else "messages/_picker.html"
    return page(request, template, {"emoji": found, "query": query})


async def show_mentions(request: Request) -> Response:
    """What mentions me, the newest first."""
    me, before = visitor(request), whole_number(request.query_params.get("before"))
    async with reading(request.app.state.database) as connection:
        found = await mentions_of(connection, me, MessageId(before) if before else None)
    context = {"mentions": found.mentions, "further": found.further, "before": before}
    return await shell_page(request, "messages/mentions.html", context)


async def _after_reply() -> None:
    crash_point("after_reply")


async def show_one(request: Request) -> Response:
    """One message as it stands in its room, for an editor that is left without saving."""
    me = visitor(request)
    async with reading(request.app.state.database) as connection:
        message, _ = await message_as_shown(connection, me, _message_id(request))
    return changed(request, message)


async def show_editor(request: Request) -> Response:
    me = visitor(request)
    async with reading(request.app.state.database) as connection:
        message, body = await own_message(connection, me, _message_id(request))
    return await _editor(request, message, body)


async def edit(request: Request) -> Response:
    me, form, state = visitor(request), await read_form(request), request.app.state
    body = form.get("body", "")
    try:
        await throttle(request, CHANGE, "body")
        edited = await edit_message(state.database, state.workshop, me, _message_id(request), body)
    except InvalidInput as invalid:
        async with reading(state.database) as connection:
            message, _ = await own_message(connection, me, _message_id(request))
        return refused(await _editor(request, message, body, invalid.errors["body"]), invalid)
    if edited.is_changed:
        await _announce_outcome(request, edited)
    return changed(request, edited.message)


async def delete(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE)
    deleted = await delete_message(request.app.state.database, me, _message_id(request))
    await _announce_outcome(request, deleted)
    return changed(request, deleted.message)


async def _announce_outcome(request: Request, outcome: Outcome) -> None:
    message, notices = outcome.message, request.app.state.notices
    await announce(request, message)
    if outcome.was_pinned:
        await announce_news(request.app.state, message.room_id)
    if outcome.mentioned:
        await notices.tell_mentioned(outcome.mentioned, message.room_id, message.position)
    if outcome.unmentioned:
        await notices.refresh_sidebars(outcome.unmentioned)


async def _announce_direct(request: Request, message: Message) -> None:
    """A direct room shows in the others' sidebars from its first message on."""
    if message.position == 1:
        async with reading(request.app.state.database) as connection:
            members = await member_ids(connection, message.room_id)
        await request.app.state.notices.refresh_sidebars(members)


async def _editor(request: Request, message: Message, body: str, error: str = "") -> Response:
    context = {"message": message, "body": body, "error": error}
    if is_htmx(request):
        return page(request, "messages/_editor.html", context)
    return await shell_page(request, "messages/edit.html", context)


def _client_id(text: str | None) -> UUID:
    """The form's own id, or a new one for a client that sends none and so asks for no protection from repeats."""
    try:
        return UUID(text or "")
    except ValueError:
        return uuid4()


def _message_id(request: Request) -> MessageId:
    return MessageId(request.path_params["message_id"])


def _room_id(request: Request) -> RoomId:
    return RoomId(request.path_params["room_id"])


MOST_EMOJI, QUICK = 64, 6

routes = [
    Route("/rooms/{room_id:id}", show_room),
    Route("/rooms/{room_id:id}/head", room_head),
    Route("/rooms/{room_id:id}/messages", show_history),
    Route("/rooms/{room_id:id}/said/{position:id}", show_in_short),
    Route("/rooms/{room_id:id}/messages", post, methods=["POST"]),
    Route("/rooms/{room_id:id}/messages/{message_id:id}", show_message),
    Route("/messages/{message_id:id}", show_one),
    Route("/messages/{message_id:id}/edit", show_editor),
    Route("/messages/{message_id:id}/edit", edit, methods=["POST"]),
    Route("/messages/{message_id:id}/delete", delete, methods=["POST"]),
    Route("/messages/{message_id:id}/actions", show_actions),
    Route("/messages/{message_id:id}/unread", mark_unread, methods=["POST"]),
    Route("/rooms/{room_id:id}/read", read, methods=["POST"]),
    Route("/messages/{message_id:id}/reply", reply),
    Route("/messages/{message_id:id}/reactions", show_reactions),
    Route("/messages/{message_id:id}/reactions", change_reaction, methods=["POST"]),
    Route("/rooms/{room_id:id}/completions", complete),
    Route("/emoji", pick_emoji),
    Route("/mentions", show_mentions),
    Route("/reload", reload_room),
]
