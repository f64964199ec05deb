"""Pages of the house: those with the sidebar."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chat.rooms.sidebar import sidebar_of
from chat.templating import page
from chat.web.session import visitor


async def shell_page(
    request: Request, template: str, context: Mapping[str, Any], *, status_code: int = 200
) -> Response:
    """A page with the visitor's sidebar around it; raises `SignInNeeded`."""
    me = visitor(request)
    async with request.app.state.database.connect() as connection:
        sidebar = await sidebar_of(connection, me)
    return page(request, template, {"sidebar": sidebar, **context}, status_code=status_code)
