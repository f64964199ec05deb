"""The quick switcher: a list for its dialog, and a page for browsers without JavaScript."""

from starlette.responses import Response

from chat.database.engine import reading
from chat.rooms.quick_switcher import destinations
from chat.state import Request
from chat.throttling.rules import FIND
from chat.web.middleware.session import visitor
from chat.web.middleware.throttling import throttle
from chat.web.pages import is_htmx, page, shell_page


async def show_quick_switcher(request: Request) -> Response:
    me, query = visitor(request), request.query_params.get("q", "")
    await throttle(request, FIND)
    async with reading(request.state.chat.database) as connection:
        found = await destinations(connection, me, query)
    context = {"destinations": found, "query": query}
    if is_htmx(request):
        return page(request, "rooms/_destinations.html", context)
    return await shell_page(request, "rooms/switch.html", context)
