"""Reactions to messages."""

from starlette.responses import Response

from chat.database.engine import reading
from chat.messages.reactions import react
from chat.messages.revise import readable_message
from chat.state import Request
from chat.throttling.rules import CHANGE
from chat.web.emoji import found, picker
from chat.web.forms import read_form
from chat.web.messages import revised
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import is_htmx, page, shell_page
from chat.web.path import message_id_in


async def show_reactions(request: Request) -> Response:
    """Show the emoji to react to a message with."""
    async with reading(request.state.chat.database) as connection:
        message, _ = await readable_message(connection, visitor(request), message_id_in(request))
    context = {"message": message, **await picker(request), **found(request), "by_arrows": is_htmx(request)}
    if is_htmx(request):
        return page(request, "messages/_react.html", context)
    return await shell_page(request, "messages/react.html", context)


async def change_reaction(request: Request) -> Response:
    me, form = visitor(request), await read_form(request)
    await throttle(request, CHANGE)
    async with request.state.chat.change() as change:
        message = await react(change, me, message_id_in(request), form.get("emoji", ""))
    return revised(request, message)
