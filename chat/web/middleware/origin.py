"""The defence against cross-site request forgery and websocket hijacking.

Every unsafe request must prove by `Sec-Fetch-Site` or `Origin` that one of our own pages made it (OWASP cheat
sheet on CSRF, "Fetch Metadata" and "Verifying Origin"); a websocket must have exactly our `Origin` (RFC 6455, 10.2).
"""

import logging
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat.reminder import Reminder
from chat.state import HTTPConnection, Request
from chat.web.scope import header

logger = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def own_origin(connection: HTTPConnection, public_url: str | None) -> str:
    """Return the origin of our pages: `PUBLIC_URL` when set, else the scheme and host of this request."""
    if public_url is not None:
        return public_url
    scheme = "https" if connection.scope["scheme"] in ("https", "wss") else "http"
    return origin_at(scheme, header(connection.scope, b"host") or "")


def origin_at(scheme: str, host: str) -> str:
    """Return the origin of pages at a host, as browsers spell it: without the scheme's own port."""
    return f"{scheme}://{host.lower().removesuffix(':443' if scheme == 'https' else ':80')}"


def has_own_origin(connection: HTTPConnection, public_url: str | None) -> bool:
    """Tell whether the `Origin` header is exactly ours."""
    return (header(connection.scope, b"origin") or "").lower() == own_origin(connection, public_url)


def explain_refusal(connection: HTTPConnection, public_url: str | None) -> str:
    """Explain to the visitor why the origin was refused; logs a wrong setting, once a minute."""
    origin, host = connection.headers.get("origin", "").lower(), connection.headers.get("host", "")
    if connection.headers.get("sec-fetch-site", "same-origin") == "same-origin":
        if public_url is None and origin == origin_at("https", host):
            if _reminder.is_due():
                logger.warning(
                    "A request for %s was refused: the chat does not know that it is reached by https. %s",
                    origin,
                    f"Set PUBLIC_URL={origin}",
                )
            return (
                "This chat does not know that it is reached by https, so it refuses forms, even from its own pages. "
                f"The person who runs it must set PUBLIC_URL={origin}."
            )
        if public_url is not None and origin in (origin_at("https", host), origin_at("http", host)):
            if _reminder.is_due():
                logger.warning("A request from %s was refused, as PUBLIC_URL is %s", origin, public_url)
            return f"This chat takes forms only from its own pages. Open {public_url} and try again there."
    return "This request did not come from one of this chat's own pages."


_reminder = Reminder()


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
        site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        if origin is not None and not has_own_origin(HTTPConnection(scope), self._public_url):
            return False
        if site is not None:
            return site == "same-origin"
        return origin is not None
