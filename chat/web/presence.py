"""Presence: pages report that their reader is active or typing."""

from starlette.responses import Response

from chat.live.events import Typing
from chat.state import Request
from chat.templating import fragment
from chat.throttling.rules import TYPING
from chat.web.middleware.session import visitor
from chat.web.path import room_id_in


async def mark_active(request: Request) -> Response:
    request.state.chat.live.presence.touch(visitor(request).id)
    return Response(status_code=204)


async def tell_typing(request: Request) -> Response:
    me, room_id, chat = visitor(request), room_id_in(request), request.state.chat
    if await chat.throttling.allows(TYPING, f"{room_id}/{me.id}") and await chat.seats.has(me.id, room_id):
        await chat.live.publish(Typing(room_id, fragment("presence/_typing.html", person=me)))
    return Response(status_code=204)
