"""Pages and partials for the visitor of a request, with and without the sidebar."""

from collections.abc import Mapping

from cachetools import LRUCache, cached
from starlette.responses import HTMLResponse, Response

from chat.accounts.colours import colour, shades_of
from chat.accounts.person import Person, Visitor
from chat.memory import MEGABYTE, size_of
from chat.rooms.sidebar import Sidebar, sidebar_of
from chat.state import Request
from chat.templating import Encoded, encoded, fragment
from chat.web.middleware.session import visitor
from chat.web.scope import header

KEPT_PEOPLE = 1000  # of two kilobytes each
KEPT_BYTES = 8 * MEGABYTE  # some 500 sidebars, of about 10 kilobytes each, with their keys


def page(
    request: Request,
    template: str,
    context: Mapping[str, object] | None = None,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render a page or partial for the visitor of a request."""
    installation = request.state.installation
    everywhere = {
        "visitor": request.state.visitor,
        "installation_name": request.state.installation_name,
        "accent": (installation and installation.accent) or "",
        "logo_path": _logo_path(request),
        "path": request.scope["path"],
        "layout": "part.html" if wants_part(request) else "shell.html",
    }
    html = encoded(template, {**everywhere, **(context or {})})
    return HTMLResponse(html, status_code, headers={"Cache-Control": "no-store", **(headers or {})})


def is_htmx(request: Request) -> bool:
    """Tell whether htmx sent the request, and so wants a partial."""
    return header(request.scope, b"hx-request") == "true"


def wants_part(request: Request) -> bool:
    """Tell whether an open page asks only for the main part, because its reader switches rooms."""
    return header(request.scope, b"x-part") == "main"


async def shell_page(
    request: Request, template: str, context: Mapping[str, object], *, status_code: int = 200
) -> Response:
    """Render a page with the visitor's sidebar; raises `SignInNeeded`."""
    sidebar = await sidebar_of(request.state.chat.database, visitor(request))
    return page_with_sidebar(request, template, context, sidebar, status_code=status_code)


def page_with_sidebar(
    request: Request, template: str, context: Mapping[str, object], sidebar: Sidebar, *, status_code: int = 200
) -> Response:
    """Render a page with a sidebar that has been read already."""
    html = sidebar_for(request, sidebar, request.scope["path"])
    me = visitor(request)
    outgoing = _outgoing(Person(me.id, me.name, face=me.face))
    known = {
        "sidebar": sidebar,
        "sidebar_html": html,
        "outgoing_html": outgoing,
        "presence_of": request.state.chat.live.presence.state_of,
    }
    return page(request, template, known | dict(context), status_code=status_code)


def sidebar_for(request: Request, sidebar: Sidebar, path: str) -> Encoded:
    """Return the markup of the visitor's sidebar for the page at `path`."""
    return _sidebar_markup(sidebar, visitor(request), request.state.installation_name, _logo_path(request), path)


def _logo_path(request: Request) -> str:
    return request.state.installation.logo_path if request.state.installation else ""


# The key holds all values of the sidebar, and takes about as much memory as the markup.
@cached(LRUCache(KEPT_BYTES, getsizeof=lambda html: 2 * size_of(html.utf8)))
def _sidebar_markup(sidebar: Sidebar, visitor: Visitor, installation_name: str, logo_path: str, path: str) -> Encoded:
    html = fragment(
        "rooms/_sidebar.html",
        sidebar=sidebar,
        visitor=visitor,
        installation_name=installation_name,
        logo_path=logo_path,
        path=path,
    )
    return Encoded(html)


@cached(LRUCache(KEPT_PEOPLE))
def _outgoing(author: Person) -> Encoded:
    """Return the markup of a message that waits to be sent."""
    return Encoded(fragment("messages/_outgoing.html", author=author))


def accent_style(request: Request) -> str:
    """Return the style of the chat's colour; "" for the usual one."""
    installation = request.state.installation
    chosen = colour(installation.accent) if installation and installation.accent else None
    if chosen is None:
        return ""
    light, dark = shades_of(chosen)
    return fragment("accounts/accent.css", light=light, dark=dark)
