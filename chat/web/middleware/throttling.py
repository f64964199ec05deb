"""Rate limits for requests: one call in a handler, and one middleware for all requests."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from chat.accounts.hashing import Asker
from chat.accounts.known_browsers import LIFETIME, KnownBrowsers
from chat.accounts.person import Visitor
from chat.accounts.sign_up import LONGEST_EMAIL
from chat.addresses import network_of
from chat.errors import TooManyRequests
from chat.state import HTTPConnection, Request
from chat.throttling.rules import (
    ANONYMOUS,
    CONNECT,
    READ,
    SIGN_IN,
    SIGN_IN_KNOWN_BROWSER,
    STATIC_FILE,
    WRITE,
    Per,
    Rule,
)
from chat.throttling.throttling import Throttling
from chat.web.cookies import browser_token, give_browser_token
from chat.web.middleware.client import address_of
from chat.web.middleware.origin import SAFE_METHODS
from chat.web.middleware.paths import FOR_PROGRAMS, STATIC_FILES


async def throttle(request: HTTPConnection, rule: Rule, field: str = "form") -> None:
    """Count a use of `rule`; raises `TooManyRequests`, for a form's `field`, above the limit."""
    await request.state.chat.throttling.check(rule, _subjects(request), field)


async def throttle_sign_in(request: Request, email: str) -> None:
    """Count an attempt to sign in, without revealing whether the account exists."""
    rule, subjects = _sign_in_rule(request, email)
    # Log the attacked e-mail address, but no password typed into the wrong field, and no long text.
    account = email.strip()[:LONGEST_EMAIL] if "@" in email else ""
    await request.state.chat.throttling.check(rule, subjects, account=account)


async def forgive(request: Request, rule: Rule) -> None:
    """Reset the visitor's budgets of a rule, as after the right password."""
    person = _subjects(request)["person"]
    await request.state.chat.throttling.forget(rule, {"person": person})


async def welcome_browser(request: Request, response: Response, email: str) -> None:
    """Reset the delays after the right password, and mark the browser as known."""
    rule, subjects = _sign_in_rule(request, email)
    await request.state.chat.throttling.forget(rule, {per: subjects[per] for per in subjects if per != "address"})
    browsers: KnownBrowsers = request.state.chat.known_browsers
    token = browsers.with_account(browsers.read(browser_token(request)), browsers.account(email), datetime.now(UTC))
    give_browser_token(request, response.headers, token, int(LIFETIME.total_seconds()))


def asker(request: Request, email: str = "") -> Asker:
    """Return the sender of a password. Signed-in people and known browsers come before others."""
    rule, _ = _sign_in_rule(request, email)
    return Asker(_network(request), is_known=request.state.visitor is not None or rule is SIGN_IN_KNOWN_BROWSER)


class ThrottleMiddleware:
    """Counts every request, for the visitor or, if they are not signed in, for their address."""

    def __init__(
        self, app: ASGIApp, throttling: Throttling, refuse: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self.app = app
        self._throttling = throttling
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in FOR_PROGRAMS:
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            await self._throttling.check(_rule_for(connection), _subjects(connection))
        except TooManyRequests as error:
            if scope["type"] == "websocket":
                # Refused before the handshake, so the page sees a lost connection, and retries with growing pauses.
                refusal: Response = PlainTextResponse("too many connections", status_code=error.status)
                refusal.headers["Retry-After"] = str(error.seconds)
                await WebSocket(scope, receive, send).send_denial_response(refusal)
            else:
                await (await self._refuse(Request(scope, receive), error))(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _rule_for(connection: HTTPConnection) -> Rule:
    if connection.scope["path"].startswith(STATIC_FILES):
        return STATIC_FILE
    if connection.state.visitor is None:
        return ANONYMOUS
    if connection.scope["type"] == "websocket":
        return CONNECT
    return READ if connection.scope["method"] in SAFE_METHODS else WRITE


def _subjects(connection: HTTPConnection) -> dict[Per, str]:
    visitor: Visitor | None = connection.state.visitor
    address = _network(connection)
    return {"person": str(visitor.id) if visitor else address, "address": address, "everybody": "everybody"}


def _sign_in_rule(request: Request, email: str) -> tuple[Rule, dict[Per, str]]:
    browsers: KnownBrowsers = request.state.chat.known_browsers
    account, browser = browsers.account(email), browsers.read(browser_token(request))
    if account in browser.accounts:
        return SIGN_IN_KNOWN_BROWSER, {"browser": f"{account}/{browser.id}"}
    address = _network(request)
    return SIGN_IN, {"address": address, "guess": f"{account}/{address}", "account": account}


def _network(connection: HTTPConnection) -> str:
    return network_of(address_of(connection)) or "unknown"
