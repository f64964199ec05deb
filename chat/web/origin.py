"""Where a request may come from: the defence against cross-site request forgery and websocket hijacking.

Every unsafe request must prove by `Sec-Fetch-Site` or `Origin` that one of our own pages made it (OWASP cheat
sheet on CSRF, "Fetch Metadata" and "Verifying Origin"); a websocket must have exactly our `Origin` (RFC 6455, 10.2).
"""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def own_origin(connection: HTTPConnection, public_url: str | None) -> str:
    """The origin our pages have: `PUBLIC_URL` when set, else the scheme and host this request was made to."""
    if public_url is not None:
        return public_url
    secure = connection.url.scheme in ("https", "wss")
    host = connection.headers.get("host", "").lower()
    return f"{'https' if secure else 'http'}://{host.removesuffix(':443' if secure else ':80')}"


def has_own_origin(connection: HTTPConnection, public_url: str | None) -> bool:
    """Whether the `Origin` header is exactly ours."""
    return connection.headers.get("origin", "").lower() == own_origin(connection, public_url)


class OriginMiddleware:
    """Refuses unsafe requests that other sites made."""

    def __init__(self, app: ASGIApp, public_url: str | None, refuse: Callable[[Request], Response]) -> None:
        self.app = app
        self._public_url = public_url
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and not self._is_ours(scope):
            await self._refuse(Request(scope, receive))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if origin is not None and not has_own_origin(HTTPConnection(scope), self._public_url):
            return False
        if site is not None:
            return site == "same-origin"
        return origin is not None
