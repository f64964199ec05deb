"""Cookies: the tokens, the browser's time zone, and the room it showed last."""

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from chat.accounts.tokens import ACCESS_LIFETIME, REFRESH_LIFETIME, Tokens
from chat.ids import RoomId
from chat.state import HTTPConnection
from chat.web.scope import headers

LAST_ROOM_SECONDS = 365 * 24 * 60 * 60


def _name(connection: HTTPConnection, use: str) -> str:
    # Browsers accept the __Host- prefix only with Secure, and Secure only over https (RFC 6265bis, 4.1.3.2).
    return f"__Host-{use}" if is_secure(connection) else f"simplechat-{use}"


def is_secure(connection: HTTPConnection) -> bool:
    """Tell whether the visitor came over https."""
    return connection.scope["scheme"] in ("https", "wss")


def cookie(connection: HTTPConnection, name: str) -> str | None:
    """Return the value of a cookie as it was set; the last one if there are several of this name.

    None of our cookies needs quotes. Python's own parser removes them, which until 3.11.10 and 3.12.6 took 2.5 seconds
    for a header of 31,000 backslashes (CVE-2024-7592).
    """
    found = None
    for line in headers(connection.scope, b"cookie"):
        for pair in line.split(";"):
            key, _, value = pair.partition("=")
            if key.strip() == name:
                found = value.strip()
    return found


def access_token(connection: HTTPConnection) -> str | None:
    return cookie(connection, _name(connection, "access"))


def refresh_token(connection: HTTPConnection) -> str | None:
    return cookie(connection, _name(connection, "refresh"))


def zone(connection: HTTPConnection) -> str | None:
    """Return the browser's time zone."""
    return cookie(connection, "zone")


def give_tokens(connection: HTTPConnection, headers: MutableHeaders, tokens: Tokens) -> None:
    """Set both token cookies: httponly, SameSite=Lax, and over https Secure and host-only."""
    lifetimes = (("access", tokens.access, ACCESS_LIFETIME), ("refresh", tokens.refresh, REFRESH_LIFETIME))
    for use, token, lifetime in lifetimes:
        _set(connection, headers, use, token, int(lifetime.total_seconds()))


def take_tokens(connection: HTTPConnection, headers: MutableHeaders) -> None:
    """Delete both token cookies."""
    for use in ("access", "refresh"):
        _set(connection, headers, use, "", 0)


def last_room(connection: HTTPConnection) -> RoomId | None:
    """Return the room that this browser showed last; anybody may have been signed in."""
    room_id = cookie(connection, "room") or ""
    return RoomId(int(room_id)) if room_id.isascii() and room_id.isdigit() and len(room_id) <= 18 else None


def keep_last_room(connection: HTTPConnection, response: Response, room_id: RoomId) -> None:
    """Let `last_room` return this room. static/js/switching.js sets the same cookie."""
    if last_room(connection) != room_id:
        # `response.set_cookie` takes fifteen times as long, to quote what is no number.
        response.headers.append("set-cookie", f"room={room_id}; Max-Age={LAST_ROOM_SECONDS}; Path=/; SameSite=lax")


def browser_token(connection: HTTPConnection) -> str | None:
    return cookie(connection, _name(connection, "browser"))


def give_browser_token(connection: HTTPConnection, headers: MutableHeaders, token: str, max_age: int) -> None:
    """Set the cookie of a known browser, which outlives every session."""
    _set(connection, headers, "browser", token, max_age)


def _set(connection: HTTPConnection, headers: MutableHeaders, use: str, value: str, max_age: int) -> None:
    response = Response()
    secure = is_secure(connection)
    response.set_cookie(
        _name(connection, use), value, max_age=max_age, path="/", httponly=True, samesite="lax", secure=secure
    )
    headers.append("set-cookie", response.headers["set-cookie"])
