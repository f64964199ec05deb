"""The host of a request: refuses unknown hosts, and redirects visitors to `PUBLIC_URL`.

`Host` decides, never `X-Forwarded-Host`: a proxy passes on the client's own value of that.
"""

import logging

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat.hosts import AllowedHosts, host_name
from chat.reminder import Reminder
from chat.state import Request
from chat.web.errors import error_page
from chat.web.middleware.client import forwarded_scheme, was_forwarded
from chat.web.middleware.origin import origin_at
from chat.web.middleware.paths import FOR_PROGRAMS
from chat.web.scope import headers

logger = logging.getLogger(__name__)


class HostMiddleware:
    """Answers only requests for an allowed host, and redirects visitors of other addresses to `PUBLIC_URL`."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts, public_url: str | None) -> None:
        self.app = app
        self._hosts = hosts
        self._public_url = public_url
        self._reminder = Reminder()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in FOR_PROGRAMS:
            await self.app(scope, receive, send)
            return
        given = headers(scope, b"host")
        name = host_name(given[0]) if len(given) == 1 else None
        if name is None or not self._hosts.allow(name, (scope.get("server") or (None,))[0]):
            await self._refuse(scope, receive, send, name and given[0].lower())
        elif scope["type"] == "http" and self._should_redirect(scope, given[0].lower()):
            await self._redirect(scope)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, host: str | None) -> None:
        if host is not None and self._reminder.is_due():
            logger.warning("A request for %s was refused: %s", _address(scope, host), self._advice(scope, host))
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        request = Request(scope, receive)
        if host is None:
            explanation = "The request does not name a valid host."
        elif self._public_url is not None:
            explanation = (
                f"This chat is not at {host}. Its address is {self._public_url}. "
                "The person who runs it can add other names."
            )
        else:
            explanation = f"This chat does not answer to the name {host}. If you run it, {self._advice(scope, host)}."
        await error_page(request, 400, explanation)(scope, receive, send)

    def _advice(self, scope: Scope, host: str) -> str:
        add = f"add {host_name(host)} to ALLOWED_HOSTS"
        if self._public_url is not None:
            return f"let the proxy pass on the Host header for {self._public_url}, or {add}"
        return f"set PUBLIC_URL={_address(scope, host)} if that is the chat's address, or {add}"

    def _should_redirect(self, scope: Scope, host: str) -> bool:
        """Tell whether to redirect the visitor to `PUBLIC_URL`, the only address that accepts forms.

        A request for another host is redirected only where no proxy can have changed its `Host`, or the redirect would
        loop. A browser that sends Sec-Fetch-Site came by https, whatever a proxy in between says.
        """
        if self._public_url is None or scope["method"] not in ("GET", "HEAD"):
            return False
        request = Request(scope)
        if self._public_url.startswith("https:") and forwarded_scheme(scope) == "http":
            return "sec-fetch-site" not in request.headers
        is_elsewhere = origin_at(self._public_url.partition("://")[0], host) != self._public_url
        return is_elsewhere and not (request.state.peer_is_trusted or was_forwarded(request))

    def _redirect(self, scope: Scope) -> Response:
        query = scope["query_string"].decode("latin-1")
        path = "/" + scope["raw_path"].decode("latin-1").removeprefix("/")
        target = f"{self._public_url}{path}{'?' if query else ''}{query}"
        # Temporary: a browser would remember a permanent redirect after PUBLIC_URL has been corrected.
        return RedirectResponse(target, status_code=307, headers={"Cache-Control": "no-store"})


def _address(scope: Scope, host: str) -> str:
    """Return the address the visitor seems to have used, for advice only: an unknown proxy is not trusted."""
    is_secure = scope["scheme"] in ("https", "wss") or forwarded_scheme(scope) == "https"
    return f"{'https' if is_secure else 'http'}://{host}"
