"""Completions of the word that a member is typing."""

from starlette.responses import Response

from chat.database.engine import reading
from chat.messages.completions import completions_of
from chat.state import Request
from chat.throttling.rules import FIND
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import page
from chat.web.path import room_id_in


async def list_completions(request: Request) -> Response:
    me, word = visitor(request), request.query_params.get("word", "")
    await throttle(request, FIND)
    async with reading(request.state.chat.database) as connection:
        found = await completions_of(connection, me, room_id_in(request), word)
    return page(request, "messages/_completions.html", {"completions": found, "word": word})
