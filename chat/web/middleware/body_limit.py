"""Limits the size of a request's body, and answers a larger one with our own page."""

import re
from collections.abc import Callable

from starlette.middleware.body_limit import RequestBodyLimitResponder
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat.settings import FileLimits
from chat.state import Request
from chat.web.forms import MOST_BYTES, MOST_PICTURE_BYTES
from chat.web.scope import header

_UPLOAD = re.compile(r"/uploads/[0-9]+")
_POST = re.compile(r"/rooms/[0-9]+/messages")
_PICTURE = re.compile(r"/profile/face|/rooms/[0-9]+/face|/admin/logo")


class BodyLimitMiddleware:
    """Refuses too large a body: with a page if its length was announced, as browsers do, else in plain text."""

    def __init__(self, app: ASGIApp, limits: FileLimits, refuse: Callable[[Request], Response]) -> None:
        self.app = app
        self._limits = limits
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self._most(scope)
        if _declared_length(scope) > most:
            await self._refuse(Request(scope, receive))(scope, receive, send)
        elif header(scope, b"transfer-encoding") is None:
            # The server reads no more than the length that was declared.
            await self.app(scope, receive, send)
        else:
            await RequestBodyLimitResponder(self.app, most)(scope, receive, send)

    def _most(self, scope: Scope) -> int:
        """Return the most bytes that a request may send: files have limits of their own, and are never in memory."""
        if scope["method"] == "PATCH" and _UPLOAD.fullmatch(scope["path"]):
            return self._limits.most_bytes
        if scope["method"] != "POST" or not (header(scope, b"content-type") or "").startswith("multipart/"):
            return MOST_BYTES
        if _POST.fullmatch(scope["path"]):
            return MOST_BYTES + self._limits.most_files * (self._limits.most_bytes + MOST_BYTES)
        if _PICTURE.fullmatch(scope["path"]):
            return 2 * MOST_BYTES + MOST_PICTURE_BYTES
        return MOST_BYTES


def _declared_length(scope: Scope) -> int:
    length = header(scope, b"content-length") or ""
    return int(length) if length.isascii() and length.isdigit() and len(length) <= 18 else 0
