"""Redirects a path with a trailing slash to the page without it."""

from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import Receive, Scope, Send


class WithoutTrailingSlash:
    """The router's handler for unknown paths.

    Starlette's own redirect names the scheme and the `Host` of the request; this one is relative.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        # "//host" would lead to another site.
        if scope["type"] != "http" or path == scope["path"] or path.startswith("//") or not self._leads(scope, path):
            await self._router.not_found(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        await RedirectResponse(f"{quote(path)}{'?' if query else ''}{query}")(scope, receive, send)

    def _leads(self, scope: Scope, path: str) -> bool:
        wanted = {**scope, "path": path}
        return path != "" and any(route.matches(wanted)[0] is not Match.NONE for route in self._router.routes)
