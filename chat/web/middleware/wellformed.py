"""Refuses URLs that are not UTF-8, before anything decodes them."""

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat.state import Request
from chat.text import UNREADABLE


class WellFormedMiddleware:
    """Refuses requests whose path or query is not UTF-8, and replaces NUL, which PostgreSQL cannot hold, by U+FFFD."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Request], Response]) -> None:
        self.app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            path, query = scope.get("raw_path") or b"", scope["query_string"]
            if not (_is_utf8(path) and _is_utf8(query)):
                await self._answer_malformed(scope, receive, send)
                return
            if b"%00" in path:
                scope["path"] = scope["path"].replace("\0", UNREADABLE)
            if b"%00" in query:
                scope["query_string"] = query.replace(b"%00", b"%EF%BF%BD")
        await self.app(scope, receive, send)

    async def _answer_malformed(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await self._refuse(Request(scope, receive))(scope, receive, send)


def _is_utf8(address: bytes) -> bool:
    if b"%" not in address and address.isascii():
        return True
    try:
        unquote_to_bytes(address).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
