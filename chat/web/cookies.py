"""The cookies that carry the tokens."""

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response

from chat.accounts.tokens import ACCESS_LIFETIME, REFRESH_LIFETIME, Tokens


def _name(connection: HTTPConnection, use: str) -> str:
    # A browser takes the __Host- prefix only with Secure, and Secure only over https (RFC 6265bis, 4.1.3.2).
    return f"__Host-{use}" if is_secure(connection) else f"simplechat-{use}"


def is_secure(connection: HTTPConnection) -> bool:
    """Whether the visitor came over https."""
    return connection.url.scheme in ("https", "wss")


def access_token(connection: HTTPConnection) -> str | None:
    return connection.cookies.get(_name(connection, "access"))


def refresh_token(connection: HTTPConnection) -> str | None:
    return connection.cookies.get(_name(connection, "refresh"))


def give_tokens(connection: HTTPConnection, headers: MutableHeaders, tokens: Tokens) -> None:
    """Set both cookies: httponly, SameSite=Lax, Secure and host-only where the connection allows it."""
    lifetimes = (("access", tokens.access, ACCESS_LIFETIME), ("refresh", tokens.refresh, REFRESH_LIFETIME))
    for use, token, lifetime in lifetimes:
        _set(connection, headers, use, token, int(lifetime.total_seconds()))


def take_tokens(connection: HTTPConnection, headers: MutableHeaders) -> None:
    """Delete both cookies."""
    for use in ("access", "refresh"):
        _set(connection, headers, use, "", 0)


def browser_token(connection: HTTPConnection) -> str | None:
    return connection.cookies.get(_name(connection, "browser"))


def give_browser_token(connection: HTTPConnection, headers: MutableHeaders, token: str, max_age: int) -> None:
    """Set the cookie by which a browser is known again, which outlives every sign-in."""
    _set(connection, headers, "browser", token, max_age)


def _set(connection: HTTPConnection, headers: MutableHeaders, use: str, value: str, max_age: int) -> None:
    cookie = Response()
    secure = is_secure(connection)
    cookie.set_cookie(
        _name(connection, use), value, max_age=max_age, path="/", httponly=True, samesite="lax", secure=secure
    )
    headers.append("set-cookie", cookie.headers["set-cookie"])
