"""Messages: a room's history, posting, editing and deleting."""

from collections.abc import Mapping
from uuid import UUID, uuid4

from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from chat.accounts.person import Visitor
from chat.crash import crash_point
from chat.database.engine import reading
from chat.errors import InvalidInput, NotACommand, TooManyRequests
from chat.ids import FileId, MessageId, Position, RoomId
from chat.live.frames import upserted
from chat.messages import revise
from chat.messages.commands import GoTo, obey, order_in
from chat.messages.history import message_at, page_after, page_before
from chat.messages.markdown import SHORT
from chat.messages.message import Message
from chat.messages.posted import Posted
from chat.messages.reactions import quick_reactions
from chat.messages.rendering import markup_of, markup_of_page
from chat.messages.revise import may_delete, message_as_shown, own_message, prepare_edit, readable_message
from chat.messages.showing_links import may_remove_preview
from chat.messages.summary import summary_of
from chat.rooms.read_positions import mark_read
from chat.rooms.room import may_post, room_of_member
from chat.state import Request
from chat.throttling.rules import CHANGE, CHANGE_ROOM, INVITE, POST, PROFILE, TYPING
from chat.web.errors import refused
from chat.web.forms import form_with_files, read_form, whole_number
from chat.web.middleware.origin import own_origin
from chat.web.middleware.session import checked_visitor, installation, visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import is_htmx, page, shell_page
from chat.web.path import message_id_in, room_id_in
from chat.web.room_page import position_in, room_page
from chat.web.sent_files import NO_FILES, SentFiles, descriptions, sent_files, turn_to_send

_PLAIN_FIELDS = {"body", "client_id", "reply_to"}
_COMMAND_RULES = {"topic": CHANGE_ROOM, "leave": CHANGE_ROOM, "invite": INVITE, "status": PROFILE}


async def list_messages(request: Request) -> Response:
    """Return a further page of messages, for a room page that is open."""
    me, room_id = visitor(request), room_id_in(request)
    before, after = position_in(request, "before"), position_in(request, "after")
    async with reading(request.state.chat.database) as connection:
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
        "epoch": installation(request).epoch,
    }
    return page(request, "messages/history.html", context)


async def post_message(request: Request) -> Response:
    me, room_id, limits = visitor(request), room_id_in(request), request.state.chat.uploading.limits
    async with (
        turn_to_send(request, me, room_id),
        form_with_files(request, limits.most_bytes, limits.most_files) as form,
    ):
        return await _post(request, me, room_id, form)


async def _post(request: Request, me: Visitor, room_id: RoomId, form: Mapping[str, str]) -> Response:
    chat, client_id, sent = request.state.chat, _client_id(form.get("client_id")), NO_FILES
    is_plain = _is_plain(request, form)
    if not is_plain:
        me = await checked_visitor(request)
    try:
        await throttle(request, POST, "body")
        if not is_plain:
            sent = await sent_files(request, me, room_id, client_id)
            sent.check()
        done = await _send(request, form, client_id, sent)
    except InvalidInput as invalid:
        composer = {"client_id": client_id, "body": form.get("body", ""), "reply_to": _reply_to(form), "files": sent}
        return await _rejected(request, invalid, composer)
    if isinstance(done, GoTo):
        return _go_to(request, done.path)
    if done.is_new:
        await chat.throttling.forget(TYPING, {"room": f"{room_id}/{me.id}"})
    if is_htmx(request) and form.get("from") != "past":
        return _posted(done)
    if not is_htmx(request):
        async with chat.change() as change:
            await mark_read(change, me.id, room_id, done.message.position)
    return _go_to(request, f"/rooms/{room_id}#m-{done.message.id}")


def _is_plain(request: Request, form: Mapping[str, str]) -> bool:
    """Tell whether a form does nothing but post a short text, by a statement that asks for every right itself."""
    body = form.get("body", "")
    return (
        form.keys() <= _PLAIN_FIELDS
        and not request.headers.get("content-type", "").startswith("multipart/")
        and not form.get("reply_to")
        and len(body) < SHORT
        and "@" not in body
        and order_in(body) is None
    )


async def _send(request: Request, form: Mapping[str, str], client_id: UUID, sent: SentFiles) -> Posted | GoTo:
    """Post the message of a form, or carry out its command, which may post another message."""
    me, room_id, chat, body = visitor(request), room_id_in(request), request.state.chat, form.get("body", "")
    order = None if "as" in form or sent.uploads else order_in(body)  # the button beside a command that was refused
    # A form that is sent again has been obeyed already, if it has posted its message.
    if order is not None and not await chat.posting.has_posted(me, client_id):
        if order.name in _COMMAND_RULES:
            await throttle(request, _COMMAND_RULES[order.name], "body")
        done = await obey(chat.change, chat.database, me, room_id, order)
        if isinstance(done, GoTo):
            return done
        body = done.text
    return await chat.posting.post(
        me, room_id, body, client_id, reply_to=_reply_to(form), chosen=sent.chosen, origin=_origin(request)
    )


def _posted(posted: Posted) -> Response:
    response = HTMLResponse(upserted(posted.html), headers={"Cache-Control": "no-store"})
    response.background = BackgroundTask(_after_reply)
    return response


async def _after_reply() -> None:
    crash_point("after_reply")


async def _rejected(request: Request, invalid: InvalidInput, composer: dict[str, object]) -> Response:
    error, may_be_message = " ".join(invalid.errors.values()), isinstance(invalid, NotACommand)
    if is_htmx(request):
        # The page counts the seconds down.
        reason = invalid.why if isinstance(invalid, TooManyRequests) else error
        context = {"reason": reason, "may_be_message": may_be_message}
        return refused(page(request, "_reason.html", context), invalid)
    composer |= {"error": error, "may_be_message": may_be_message}
    return refused(await room_page(request, composer=composer), invalid)


def _go_to(request: Request, path: str) -> Response:
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


async def show_message(request: Request) -> Response:
    """Return a message as shown in its room, for a member who closes the editor without saving."""
    async with reading(request.state.chat.database) as connection:
        message, _ = await message_as_shown(connection, visitor(request), message_id_in(request))
    return revised(request, message)


async def show_summary(request: Request) -> Response:
    """Return the text of a notification about a message, or nothing when it is deleted."""
    me, position = visitor(request), Position(request.path_params["position"])
    async with reading(request.state.chat.database) as connection:
        room = await room_of_member(connection, me, room_id_in(request))
        message = await message_at(connection, room.id, position)
    if message is None:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return PlainTextResponse(summary_of(room, message), headers={"Cache-Control": "no-store"})


async def show_message_actions(request: Request) -> Response:
    """Show the actions that the visitor may take on a message."""
    me = visitor(request)
    async with reading(request.state.chat.database) as connection:
        message, body = await readable_message(connection, me, message_id_in(request))
        room = await room_of_member(connection, me, message.room_id)
    context = {
        "message": message,
        "body": body,
        "is_menu": is_htmx(request),
        "quick": () if room.is_archived else quick_reactions(),
        "may_post": may_post(me, room),
        "may_edit": message.author.id == me.id and not room.is_archived,
        "may_delete": may_delete(me, message) and not room.is_archived,
        "may_remove_previews": may_remove_preview(me, room, message) and not room.is_archived,
    }
    if is_htmx(request):
        return page(request, "messages/_actions.html", context)
    return await shell_page(request, "messages/actions.html", context)


async def reply_to_message(request: Request) -> Response:
    """Show the room with a composer that answers a message."""
    async with reading(request.state.chat.database) as connection:
        message, _ = await readable_message(connection, visitor(request), message_id_in(request))
    composer = {"client_id": uuid4(), "body": "", "error": "", "reply_to": message.id}
    return await room_page(request, room_id=message.room_id, composer=composer)


async def show_message_editor(request: Request) -> Response:
    async with reading(request.state.chat.database) as connection:
        message, body = await own_message(connection, visitor(request), message_id_in(request))
    return await _editor(request, message, body, {})


async def edit_message(request: Request) -> Response:
    me, form, chat = visitor(request), await read_form(request), request.state.chat
    body, alts = form.get("body", ""), await descriptions(request)
    try:
        await throttle(request, CHANGE, "body")
        edit = await prepare_edit(chat.database, chat.workshop, me, message_id_in(request), body, alts=alts)
    except InvalidInput as invalid:
        async with reading(chat.database) as connection:
            message, _ = await own_message(connection, me, message_id_in(request))
        return refused(await _editor(request, message, body, alts, invalid.errors["body"]), invalid)
    async with chat.change() as change:
        edited = await revise.edit_message(change, edit, _origin(request))
    return revised(request, edited)


async def delete_message(request: Request) -> Response:
    me = visitor(request)
    await throttle(request, CHANGE)
    async with request.state.chat.change() as change:
        deleted = await revise.delete_message(change, me, message_id_in(request))
    return revised(request, deleted)


def revised(request: Request, message: Message) -> Response:
    """Answer a request that revised a message with the message."""
    if is_htmx(request):
        return HTMLResponse(markup_of(message), headers={"Cache-Control": "no-store"})
    return RedirectResponse(f"/rooms/{message.room_id}/messages/{message.id}#m-{message.id}", status_code=303)


async def _editor(
    request: Request, message: Message, body: str, alts: Mapping[FileId, str], error: str = ""
) -> Response:
    context = {"message": message, "body": body, "alts": alts, "error": error}
    if is_htmx(request):
        return page(request, "messages/_editor.html", context)
    return await shell_page(request, "messages/edit.html", context)


def _origin(request: Request) -> str:
    return own_origin(request, request.state.chat.settings.public_url)


def _reply_to(form: Mapping[str, str]) -> MessageId | None:
    number = whole_number(form.get("reply_to"))
    return None if number is None else MessageId(number)


def _client_id(text: str | None) -> UUID:
    """Return the form's own id, or a new one for a client that sends none and so has no protection from repeats."""
    try:
        return UUID(text or "")
    except ValueError:
        return uuid4()
