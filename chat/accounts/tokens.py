"""The two JWTs of a sign-in (RFC 7519): a short-lived access token and a rotating refresh token.

Both only name a session; the `sessions` table decides whether it still counts.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import jwt

from chat.ids import SessionId

ACCESS_LIFETIME = timedelta(minutes=10)
REFRESH_LIFETIME = timedelta(days=30)

Kind = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a browser is given at sign-in and at each refresh."""

    access: str
    refresh: str


class Signer:
    """Makes and reads tokens with the installation's secret key (HS256)."""

    def __init__(self, secret_key: str) -> None:
        self._key = secret_key

    def access_token(self, session_id: SessionId, now: datetime) -> str:
        return self._sign("access", session_id, now + ACCESS_LIFETIME)

    def refresh_token(self, session_id: SessionId, now: datetime) -> str:
        return self._sign("refresh", session_id, now + REFRESH_LIFETIME, jti=secrets.token_urlsafe(16))

    def session_of(self, token: str, kind: Kind) -> SessionId | None:
        """The session a token names, or None when it is forged, expired or of another kind."""
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], options={"require": ["exp", "sub", "use"]})
            return SessionId(int(claims["sub"])) if claims["use"] == kind else None
        except (jwt.InvalidTokenError, ValueError):
            return None

    def _sign(self, kind: Kind, session_id: SessionId, expires: datetime, **claims: str) -> str:
        payload = {"sub": str(session_id), "use": kind, "exp": expires, **claims}
        return jwt.encode(payload, self._key, algorithm="HS256")
