"""Slash commands: what begins with a / and a name is done rather than said."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from chat import audit
from chat.accounts.status import set_status, status_in
from chat.database.engine import reading
from chat.errors import Forbidden, InvalidInput
from chat.ids import RoomId
from chat.messages.markdown import escaped
from chat.messages.post import why_refused
from chat.rooms.create import set_topic
from chat.rooms.members import invite, leave_room
from chat.rooms.room import room_of_member
from chat.throttling.rules import CHANGE_ROOM, INVITE, PROFILE
from chat.web.announcing import announce_arrival, announce_removal, announce_topic
from chat.web.announcing_status import announce_status
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle

_COMMAND = re.compile(r"/([a-zA-Z]+)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as help and completion show it."""

    name: str
    usage: str
    meaning: str


COMMANDS = (
    Command("me", "/me waves", "Say what you do"),
    Command("shrug", "/shrug whatever", "¯\\_(ツ)_/¯ after what you say"),
    Command("topic", "/topic exams", "Set what the room is about"),
    Command("invite", "/invite Ada Lovelace", "Bring somebody into the room"),
    Command("status", "/status 🌴 On holiday", "Say what you are about; alone, clear it"),
    Command("leave", "/leave", "Leave the room"),
    Command("help", "/help", "Everything you can write"),
)


async def obey(request: Request, room_id: RoomId, body: str) -> str | Response:
    """Do what `body` commands: the text to post, which is `body` itself where it commands nothing, or where to go.

    Raises `InvalidInput` for the field `body`, and `NotFound` when the visitor is not in the room.
    """
    match = _COMMAND.fullmatch(body.strip("\r\n").rstrip())
    if match is None:
        return body
    name, rest = match[1].lower(), (match[2] or "").strip()
    if name == "me":
        if not rest:
            raise InvalidInput(body="Say what you do, as in: /me waves")
        return f"/me {rest}"
    if name == "shrug":
        return f"{rest} ¯\\\\\\_(ツ)\\_/¯".strip()
    if name == "help":
        return _to("/help")
    if name == "status":
        await _say_status(request, rest)
        return _to(f"/rooms/{room_id}")
    try:
        return await _change_room(request, room_id, name, rest)
    except Forbidden as forbidden:
        raise InvalidInput(body=str(forbidden)) from None


async def _say_status(request: Request, words: str) -> None:
    me, state = visitor(request), request.app.state
    try:
        status = status_in(words)
    except InvalidInput as invalid:
        raise InvalidInput(body=next(iter(invalid.errors.values()))) from None
    await throttle(request, PROFILE, "body")
    async with state.database.begin() as connection:
        await set_status(connection, me.id, status)
    await announce_status(state, me.id)


async def _change_room(request: Request, room_id: RoomId, name: str, rest: str) -> str | Response:
    me, state = visitor(request), request.app.state
    async with reading(state.database) as connection:
        room = await room_of_member(connection, me, room_id)
        # Both are told to the room: where one may not speak, nothing is done either.
        refusal = await why_refused(connection, me, room_id) if name in ("topic", "invite") else None
    if refusal is not None:
        raise refusal
    await throttle(request, INVITE if name == "invite" else CHANGE_ROOM, "body")
    async with state.database.begin() as connection:
        if name == "topic":
            topic = await set_topic(connection, room, rest)
        elif name == "invite":
            person = await invite(connection, me, room, rest.removeprefix("@"))
        elif name == "leave":
            await leave_room(connection, me.id, room)
        else:
            raise InvalidInput(body=f"There is no command /{name}. With a space before it, it is sent as text.")
    if name == "topic":
        await announce_topic(state, room.id, topic)
        return f"/me set the topic: {escaped(topic)}" if topic else "/me cleared the topic"
    if name == "invite":
        audit.record("member_added", room_id=room.id, member_id=person.id)
        await announce_arrival(state, room.id, [person.id])
        return f"/me invited {escaped(person.name)}"
    audit.record("member_left", room_id=room.id)
    await announce_removal(state, room.id, me.id)
    return _to("/")


def _to(path: str) -> Response:
    return Response(status_code=303, headers={"Location": path})
