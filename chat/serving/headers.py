"""The headers of every response, also of those that never reach the application: security, and the date."""

from email.utils import formatdate
from functools import lru_cache

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers send "Origin: null" with a form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HTTP_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


@lru_cache(maxsize=1)
def date_headers(second: int) -> list[tuple[bytes, bytes]]:
    """Return the date of responses that begin in this second since 1970 (RFC 9110, 6.6.1)."""
    return [(b"date", formatdate(second, usegmt=True).encode())]
