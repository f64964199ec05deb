"""The list of messages that mention the visitor."""

from starlette.responses import Response

from chat.database.engine import reading
from chat.ids import MessageId
from chat.messages.mentions import mentions_of
from chat.state import Request
from chat.web.forms import whole_number
from chat.web.middleware.session import visitor
from chat.web.pages import shell_page


async def list_mentions(request: Request) -> Response:
    me, before = visitor(request), whole_number(request.query_params.get("before"))
    async with reading(request.state.chat.database) as connection:
        found = await mentions_of(connection, me, MessageId(before) if before else None)
    context = {"mentions": found.mentions, "further": found.further, "before": before}
    return await shell_page(request, "messages/mentions.html", context)
