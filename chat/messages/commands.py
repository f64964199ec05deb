"""Slash commands: texts that begin with a / and a command's name."""

import re
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from chat import audit
from chat.accounts.person import Visitor
from chat.accounts.status import set_status, status_in
from chat.change import BeginChange
from chat.database.engine import reading
from chat.errors import Forbidden, InvalidInput, NotACommand, NotFound, TooManyRequests
from chat.ids import RoomId
from chat.messages.markdown import escaped
from chat.messages.refusal import refusal_of
from chat.rooms.members import invite, leave_room
from chat.rooms.room import room_of_member
from chat.rooms.settings import set_topic
from chat.text import is_blank

_COMMAND = re.compile(r"/([a-zA-Z]+)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as help and completion show it."""

    name: str
    usage: str
    meaning: str
    takes_words: bool = True


COMMANDS = (
    Command("me", "/me waves", "Say what you do"),
    Command("shrug", "/shrug whatever", "Add ¯\\_(ツ)_/¯ to your message"),
    Command("topic", "/topic exams", "Set the room’s topic"),
    Command("invite", "/invite Ada Lovelace", "Add somebody to the room"),
    Command("status", "/status 🌴 On holiday", "Set your status; /status alone clears it"),
    Command("leave", "/leave", "Leave the room", takes_words=False),
    Command("help", "/help", "Show the writing help", takes_words=False),
)


@dataclass(frozen=True, slots=True)
class Order:
    """A command as a member typed it."""

    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Said:
    """The outcome of a command that posts this text as a message."""

    text: str


@dataclass(frozen=True, slots=True)
class GoTo:
    """The outcome of a command that opens another page."""

    path: str


def order_in(body: str) -> Order | None:
    """Return the command in a text; None when the text is a message."""
    match = _COMMAND.fullmatch(body.strip("\r\n").rstrip())
    return Order(match[1].lower(), (match[2] or "").strip()) if match else None


async def obey(
    begin: BeginChange, database: AsyncEngine, visitor: Visitor, room_id: RoomId, order: Order
) -> Said | GoTo:
    """Carry out a command in a room.

    Raises `InvalidInput` for the field `body`, as `NotACommand` when a message may have been meant, and `NotFound` when
    the visitor is not a member, but not for `/leave`.
    """
    _check(order)
    match order.name:
        case "me" if is_blank(order.argument):
            raise InvalidInput(body="Write what you do, such as: /me waves")
        case "me":
            return Said(f"/me {order.argument}")
        case "shrug":
            return Said(f"{order.argument} ¯\\_(ツ)_/¯".strip())
        case "help":
            return GoTo("/help")
    try:
        if order.name == "status":
            async with begin() as change:
                await set_status(change, visitor.id, status_in(order.argument))
            return GoTo(f"/rooms/{room_id}")
        return await _change_room(begin, database, visitor, room_id, order)
    except Forbidden as forbidden:
        raise InvalidInput(body=str(forbidden)) from None
    except TooManyRequests:
        raise
    except InvalidInput as invalid:
        raise InvalidInput(body=next(iter(invalid.errors.values()))) from None


def _check(order: Order) -> None:
    """Raise `NotACommand` when there is no such command, or it takes no words."""
    known = next((command for command in COMMANDS if command.name == order.name), None)
    if known is None:
        raise NotACommand(body=f"There is no command /{order.name}.")
    if order.argument and not known.takes_words:
        raise NotACommand(body=f"No words follow the command /{order.name}.")


async def _change_room(
    begin: BeginChange, database: AsyncEngine, visitor: Visitor, room_id: RoomId, order: Order
) -> Said | GoTo:
    async with reading(database) as connection:
        try:
            room = await room_of_member(connection, visitor, room_id)
        except NotFound:
            if order.name == "leave":
                return GoTo("/")  # The page sends it again when it closes before the answer.
            raise
        # Both post a message about it, so a member who may not post may not use them.
        refusal = await refusal_of(connection, visitor, room_id) if order.name in ("topic", "invite") else None
    if refusal is not None:
        raise refusal
    async with begin() as change:
        match order.name:
            case "topic":
                topic = await set_topic(change, room, order.argument)
                return Said(f"/me set the topic: {escaped(topic)}" if topic else "/me cleared the topic")
            case "invite":
                person = await invite(change, visitor, room, order.argument.removeprefix("@"))
                audit.record("member_added", room_id=room.id, member_id=person.id)
                return Said(f"/me invited {escaped(person.name)}")
            case "leave":
                await leave_room(change, visitor.id, room)
                audit.record("member_left", room_id=room.id)
                return GoTo("/")
    raise AssertionError(order.name)
