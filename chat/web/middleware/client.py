"""The origin of a request: the client's address and scheme, from the headers of trusted proxies.

`X-Forwarded-Host` and `Forwarded` (RFC 7239) are never trusted: a proxy that sets X-Forwarded-For passes on the
client's own values of the others.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from chat.addresses import TrustedProxies, canonical, parse_address
from chat.state import HTTPConnection
from chat.web.scope import headers

# Any of these shows that a proxy has passed the request on, whether or not the proxy is trusted.
PROXY_HEADERS = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
        b"cf-connecting-ip",
        b"true-client-ip",
    }
)
# A Prometheus sends this itself. A proxy that passes it on is recognised by the others.
OF_PROMETHEUS = frozenset({b"x-prometheus-scrape-timeout-seconds"})


class ClientMiddleware:
    """Puts the client's address and scheme into the scope, for http and websockets.

    It must be the outermost, as the log of requests needs both. The address that really connected stays in
    `state.peer`. If `PUBLIC_URL` is set, its scheme counts for all visitors, so no proxy need be trusted for it.
    """

    def __init__(self, app: ASGIApp, proxies: TrustedProxies, public_url: str | None = None) -> None:
        self.app = app
        self._proxies = proxies
        self._public_scheme = public_url.partition("://")[0] if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            self._set_client(scope)
        await self.app(scope, receive, send)

    def _set_client(self, scope: Scope) -> None:
        peer, port = scope.get("client") or ("", 0)
        is_trusted = self._proxies.trusts(peer)
        scope.setdefault("state", {}).update(peer=peer, peer_is_trusted=is_trusted)
        client, scheme = canonical(peer), self._public_scheme
        if is_trusted:
            forwarded_for = headers(scope, b"x-forwarded-for")
            client = self._proxies.client_of(peer, forwarded_for) if forwarded_for else client
            scheme = scheme or forwarded_scheme(scope)
        if scheme:
            scope["scheme"] = scheme.replace("http", "ws") if scope["type"] == "websocket" else scheme
        scope["client"] = (client, port if client == peer else 0) if client else None


def forwarded_scheme(scope: Scope) -> str | None:
    """Return the client's scheme by the header of the nearest proxy."""
    scheme = ",".join(headers(scope, b"x-forwarded-proto")).rpartition(",")[2].strip().lower()
    return {"http": "http", "https": "https", "ws": "http", "wss": "https"}.get(scheme)


def address_of(connection: HTTPConnection) -> str:
    """Return the client's address in its canonical spelling; empty on a Unix socket."""
    return connection.client.host if connection.client else ""


def was_forwarded(connection: HTTPConnection) -> bool:
    """Tell whether a proxy has passed the request on, trusted or not."""
    return any(name in PROXY_HEADERS for name, _ in connection.scope["headers"])


def is_directly_at_this_machine(connection: HTTPConnection) -> bool:
    """Tell whether the visitor's browser runs on this machine, as far as a request can show.

    A proxy on this machine that adds no known header is still recognised: it passes on the chat's public name, speaks
    HTTP 1.0, as nginx does by default, or adds an `X-` header, which browsers do not.
    """
    given = connection.scope["headers"]
    host = connection.headers.get("host", "").lower()
    address = parse_address(host)
    return (
        is_at_this_machine(connection)
        and (host.partition(":")[0] == "localhost" or (address is not None and address.is_loopback))
        and connection.scope.get("http_version") != "1.0"
        and not any(name.startswith(b"x-") and name not in OF_PROMETHEUS for name, _ in given)
    )


def is_at_this_machine(connection: HTTPConnection) -> bool:
    """Tell whether the visitor is at this machine: a loopback address connected, and not as a proxy."""
    peer = parse_address(connection.state.peer)
    return peer is not None and peer.is_loopback and not was_forwarded(connection)
