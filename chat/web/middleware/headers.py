"""Security headers on every response."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat.serving.headers import HTTP_HEADERS

ONE_YEAR = 365 * 24 * 3600

Headers = list[tuple[bytes, bytes]]


class SecurityHeadersMiddleware:
    """Adds `HEADERS`, and Strict-Transport-Security (RFC 6797) where the visitor came over https."""

    def __init__(self, app: ASGIApp, include_subdomains: bool) -> None:
        self.app = app
        hsts = f"max-age={ONE_YEAR}{'; includeSubDomains' if include_subdomains else ''}"
        self._https_headers = [*HTTP_HEADERS, (b"strict-transport-security", hsts.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        added = self._https_headers if scope["scheme"] in ("https", "wss") else HTTP_HEADERS
        is_open = scope["type"] == "http"

        async def send_with_headers(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "websocket.close" and not is_open:
                # Without this, the server would refuse the handshake with a bare 403. Calling itself, the function
                # would keep the whole request until the next garbage collection.
                await send({"type": "websocket.http.response.start", "status": 403, "headers": _all([], added)})
                message = {"type": "websocket.http.response.body", "body": b""}
            elif message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = _all(message["headers"], added)
            is_open = is_open or message["type"] == "websocket.accept"
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _all(own: Headers, added: Headers) -> Headers:
    """Return the headers of a response with those to add."""
    return [*own, *_without_own(added, own), *_unless_it_may_be_kept(own)]


def _without_own(added: Headers, own: Headers) -> Headers:
    """Return the headers to add. An answer that has a policy keeps it: that of a file is stricter."""
    has_policy = any(name.lower() == b"content-security-policy" for name, _ in own)
    return [header for header in added if header[0] != b"content-security-policy"] if has_policy else added


def _unless_it_may_be_kept(headers: Headers) -> Headers:
    """Return the header that forbids caching, unless the response has its own."""
    return [] if any(name.lower() == b"cache-control" for name, _ in headers) else [(b"cache-control", b"no-store")]
