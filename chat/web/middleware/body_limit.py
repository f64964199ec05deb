"""Limits the size of a request's body, and answers a larger one with our own page."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat.state import Request


class BodyLimitMiddleware(RequestBodyLimitMiddleware):
    """Refuses too large a body: with a page if its length was announced, as browsers do, else in plain text."""

    def __init__(self, app: ASGIApp, max_body_size: int, refuse: Callable[[Request], Response]) -> None:
        super().__init__(app, max_body_size)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _declared_length(scope) > self.max_body_size:
            await self._refuse(Request(scope, receive))(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) <= 18 else 0
