"""The first page, the list of the visitor's rooms, and the sidebar beside every page."""

from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response

from chat.database.engine import reading
from chat.rooms.sidebar import room_to_open, sidebar_of
from chat.state import Request
from chat.web.cookies import last_room
from chat.web.middleware.session import visitor
from chat.web.pages import shell_page, sidebar_for

LONGEST_PATH = 100  # of the chat's own pages; it is cached with the sidebar


async def show_home(request: Request) -> Response:
    """Redirect to the room that the visitor was in last; show the list to a visitor without rooms."""
    me = visitor(request)
    async with reading(request.state.chat.database) as connection:
        room_id = await room_to_open(connection, me.id, last_room(request))
    return RedirectResponse(f"/rooms/{room_id}", status_code=303) if room_id else await show_list(request)


async def show_list(request: Request) -> Response:
    """Show ways to begin; a phone shows the visitor's rooms and conversations instead."""
    return await shell_page(request, "rooms/home.html", {})


async def show_sidebar(request: Request) -> Response:
    me = visitor(request)
    sidebar = await sidebar_of(request.state.chat.database, me)
    html = sidebar_for(request, sidebar, _shown_on(request))
    return HTMLResponse(html.utf8, headers={"Cache-Control": "no-store"})


def _shown_on(request: Request) -> str:
    """Return the path of the requesting page, "" if the header is no address of the chat."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", "")).path[:LONGEST_PATH]
    except ValueError:
        return ""
