"""The two JWTs of a sign-in (RFC 7519): a short-lived access token and a rotating refresh token.

Both only name a session; the `sessions` table decides whether it is valid.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

import jwt
from jwt.types import Options

from chat.ids import SessionId

ACCESS_LIFETIME = timedelta(minutes=10)
REFRESH_LIFETIME = timedelta(days=30)
LONGEST = 1000

Kind = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that a browser gets at sign-in and at each refresh."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class _Claims:
    """The contents of a token whose signature is ours."""

    session_id: SessionId
    use: str
    expires: float


class Signer:
    """Makes and reads tokens with the installation's secret key (HS256)."""

    def __init__(self, secret_key: str) -> None:
        self._key = secret_key
        # For ten minutes a browser sends the same token with every request.
        self._read = lru_cache(maxsize=10_000)(self._verify)

    def access_token(self, session_id: SessionId, now: datetime) -> str:
        return self._sign("access", session_id, now + ACCESS_LIFETIME)

    def refresh_token(self, session_id: SessionId, now: datetime) -> str:
        return self._sign("refresh", session_id, now + REFRESH_LIFETIME, jti=secrets.token_urlsafe(16))

    def session_of(self, token: str, kind: Kind) -> SessionId | None:
        """Return the session a token names; None when it is forged, expired or of another kind."""
        # A header may be a hundred times as long as a valid token, and results are cached.
        claims = self._read(token) if len(token) <= LONGEST else None
        if claims is None or claims.use != kind or claims.expires <= time.time():
            return None
        return claims.session_id

    def _verify(self, token: str) -> _Claims | None:
        """Return a token's claims if its signature is ours; cached, so the caller checks the expiry."""
        options: Options = {"require": ["exp", "sub", "use"], "verify_exp": False}
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], options=options)
        except jwt.InvalidTokenError:
            return None
        if not claims["sub"].isdigit():
            return None
        return _Claims(SessionId(int(claims["sub"])), claims["use"], claims["exp"])

    def _sign(self, kind: Kind, session_id: SessionId, expires: datetime, **claims: str) -> str:
        payload = {"sub": str(session_id), "use": kind, "exp": expires, **claims}
        return jwt.encode(payload, self._key, algorithm="HS256")
