"""Browsers that have signed in to an account before (OWASP, "Device Cookies").

A browser keeps a signed list of such accounts. The list grants no access. It only prevents guesses made elsewhere from
delaying people who sign in from their usual browser.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt

from chat.folding import folded

LIFETIME = timedelta(days=400)  # browsers keep no cookie for longer (RFC 6265bis, 5.5)
MOST_ACCOUNTS = 10  # people may share a browser


@dataclass(frozen=True, slots=True)
class KnownBrowser:
    """A browser and its known accounts, named by `KnownBrowsers.account`, the latest last."""

    id: str
    accounts: tuple[str, ...] = ()


class KnownBrowsers:
    """Makes and reads the tokens of known browsers, with the installation's secret key (HS256)."""

    def __init__(self, secret_key: str) -> None:
        self._key = secret_key

    def account(self, email: str) -> str:
        """Return the name under which an account is counted and stored; it does not reveal the e-mail address."""
        normal = folded(email.strip()).encode(errors="replace")
        return hmac.new(self._key.encode(), b"account\0" + normal, hashlib.sha256).hexdigest()[:32]

    def read(self, token: str | None) -> KnownBrowser:
        """Return the browser of a token; a new one without accounts if the token is missing, forged or expired."""
        try:
            claims = jwt.decode(
                token or "", self._key, algorithms=["HS256"], options={"require": ["exp", "sub", "use"]}
            )
            if claims["use"] == "browser":
                return KnownBrowser(claims["sub"], tuple(claims["accounts"]))
        except (jwt.InvalidTokenError, KeyError, TypeError):
            pass
        return KnownBrowser(secrets.token_urlsafe(16))

    def with_account(self, browser: KnownBrowser, account: str, now: datetime) -> str:
        """Return a token for the browser with one more account."""
        others = [known for known in browser.accounts if known != account]
        claims = {"use": "browser", "sub": browser.id, "accounts": [*others, account][-MOST_ACCOUNTS:]}
        return jwt.encode({**claims, "exp": now + LIFETIME}, self._key, algorithm="HS256")
