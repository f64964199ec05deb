"""Identifies the visitor of a request by their session, with one query for each request.

Posts and pages of rooms are the exception: their own statements ask for the session. Until then the visitor is the
person of the session's last request: a session never changes its person.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from cachetools import LRUCache
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat.accounts.installation import Installation
from chat.accounts.person import Visitor
from chat.accounts.sessions import installation_and_visitors, refresh_session, visitor_of_refresh_token
from chat.accounts.tokens import Tokens
from chat.audit import request_context
from chat.batches import Batches
from chat.database.engine import reading, time_limit
from chat.errors import DatabaseUnavailable, NotFound, SignInNeeded
from chat.ids import SessionId
from chat.state import Chat, HTTPConnection, Request, RequestState
from chat.web.cookies import access_token, give_tokens, refresh_token, take_tokens, zone
from chat.web.middleware.origin import SAFE_METHODS
from chat.web.middleware.paths import FOR_PROGRAMS, STATIC_FILES
from chat.web.scope import header

LOOK_UP_SECONDS = 5.0
# Thousands of pages may connect within seconds. One by one, their lookups would take a quarter of the process.
APART_SECONDS = 0.01
ANONYMOUS_PATHS = (STATIC_FILES, *FOR_PROGRAMS)
MOST_REMEMBERED = 10_000  # of about a kilobyte each
_POST = re.compile(r"/rooms/[0-9]+/messages")
_ROOM = re.compile(r"/rooms/[0-9]+")


_Found = tuple[Installation | None, Visitor | None]
_Lookups = Batches[SessionId | None, _Found]


class SessionMiddleware:
    """Sets `state.visitor` (or None) and `state.installation`, and refreshes tokens silently.

    The access token keeps forged and expired requests away from the database, whose row of the session decides.
    Requests that come at the same moment share a query.
    """

    def __init__(
        self,
        app: ASGIApp,
        chat: Chat,
        *,
        now: Callable[[], datetime],
        unavailable: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self.app = app
        self._chat = chat
        self._now = now
        self._unavailable = unavailable
        self._lookups = Batches(self._look_up, most=1000)
        self._lookups_of_pages = Batches(self._look_up, most=1000, apart=APART_SECONDS)
        self._remembered: LRUCache[SessionId, tuple[Installation, Visitor]] = LRUCache(MOST_REMEMBERED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state.update(visitor=None, installation=None, installation_name="simplechat", look_up=None)
        if scope["path"].startswith(ANONYMOUS_PATHS):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            tokens = await self._identify(connection, can_set_cookies=scope["type"] == "http")
        except DatabaseUnavailable as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})
            else:
                await (await self._unavailable(Request(scope, receive), error))(scope, receive, send)
            return
        context = request_context.get()
        if context is not None and state["visitor"] is not None:
            context.user_id = state["visitor"].id
        await self.app(scope, receive, _with_cookies(send, connection, tokens))

    async def _identify(self, connection: HTTPConnection, *, can_set_cookies: bool) -> Tokens | None:
        state = connection.state
        access = access_token(connection)
        session_id = self._chat.signer.session_of(access, "access") if access else None
        known = self._remembered.get(session_id) if session_id is not None and _asks_itself(connection.scope) else None
        if known is not None:
            _set(state, known)
            state.look_up = partial(self._ask, state, session_id, self._lookups)
        else:
            await self._ask(state, session_id, self._lookups if can_set_cookies else self._lookups_of_pages)
        refresh = refresh_token(connection) if session_id is None else None
        if not refresh:
            return None
        now = self._now()
        if not can_set_cookies:
            async with reading(self._chat.database) as database:
                state.visitor = await visitor_of_refresh_token(database, self._chat.signer, refresh, now)
            return None
        longest = self._chat.settings.session_lifetime
        async with self._chat.change() as change:
            refreshed = await refresh_session(change, self._chat.signer, refresh, now, longest=longest)
        if refreshed is None:
            return None
        state.visitor, tokens = refreshed
        return tokens

    async def _ask(self, state: RequestState, session_id: SessionId | None, lookups: _Lookups) -> None:
        state.look_up = None
        found = await lookups.ask(session_id)
        _set(state, found)
        installation, visitor = found
        if session_id is not None and installation is not None and visitor is not None:
            self._remembered[session_id] = installation, visitor

    async def _look_up(self, session_ids: list[SessionId | None]) -> list[_Found]:
        wanted = {session_id for session_id in session_ids if session_id is not None}
        async with time_limit(LOOK_UP_SECONDS):
            installation, visitors = await installation_and_visitors(self._chat.database, wanted, self._now())
        return [(installation, visitors.get(session_id) if session_id else None) for session_id in session_ids]


def _set(state: RequestState, found: _Found) -> None:
    state.installation, state.visitor = found
    if state.installation is not None:
        state.installation_name = state.installation.name


def _asks_itself(scope: Scope) -> bool:
    """Tell whether this asks for a room's page, or is a post by an open page, without files."""
    if scope.get("method") in SAFE_METHODS:
        return _ROOM.fullmatch(scope["path"]) is not None
    return (
        scope.get("method") == "POST"
        and _POST.fullmatch(scope["path"]) is not None
        and header(scope, b"hx-request") == "true"
        and (header(scope, b"content-type") or "").startswith("application/x-www-form-urlencoded")
    )


def _with_cookies(send: Send, connection: HTTPConnection, tokens: Tokens | None) -> Send:
    """Return a `send` that gives the browser its new tokens, or takes away those of a session that has ended."""
    has_ended = connection.state.visitor is None and refresh_token(connection) is not None
    if tokens is None and not has_ended:
        return send

    async def send_with_cookies(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # A handler that signs a person in or out takes precedence.
            if not any("refresh=" in cookie for cookie in headers.getlist("set-cookie")):
                if tokens is not None:
                    give_tokens(connection, headers, tokens)
                else:
                    take_tokens(connection, headers)
        await send(message)

    return send_with_cookies


def visitor(request: Request) -> Visitor:
    """Return the signed-in person; raises `SignInNeeded`, which leads to the sign-in page and back.

    Requests that a page sends by itself name its person: somebody else may have signed in with the browser meanwhile.
    """
    me = request.state.visitor
    if me is None or not is_page_of(me, header(request.scope, b"x-me")):
        raise SignInNeeded
    return me


def is_page_of(visitor: Visitor, named: str | None) -> bool:
    """Tell whether a page belongs to the visitor: it names them, or nobody."""
    return named is None or named == str(visitor.id)


async def is_known_now(request: Request, version: str | None) -> bool:
    """Tell whether a session has the version that a page's statement has read; if not, look its visitor up."""
    if request.state.look_up is None or visitor(request).version == version:
        return True
    await request.state.look_up()
    return False


async def checked_visitor(request: Request) -> Visitor:
    """Return the signed-in person of a post whose session has not been asked for yet; raises `SignInNeeded`."""
    if request.state.look_up is not None:
        await request.state.look_up()
    return visitor(request)


def installation(request: Request) -> Installation:
    """Return the installation, which exists wherever a visitor does; raises `SignInNeeded` before the first run."""
    if request.state.installation is None:
        raise SignInNeeded
    return request.state.installation


def administrator(request: Request) -> Visitor:
    """Return the signed-in administrator; raises `SignInNeeded`, or `NotFound` for other people."""
    found = visitor(request)
    if not found.is_administrator:
        raise NotFound
    return found


def zone_of(request: Request) -> str | None:
    """Return the time zone that the visitor has chosen, else their browser's; None if neither is known."""
    return visitor(request).time_zone or zone(request)
