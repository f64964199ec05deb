"""The state of a request: the parts of the running chat, and the values set by the middleware."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import starlette.requests
import starlette.websockets
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import State

from chat.accounts.installation import Installation
from chat.accounts.known_browsers import KnownBrowsers
from chat.accounts.person import Visitor
from chat.accounts.tokens import Signer
from chat.change import Change, begin_change
from chat.live.brokers.broker import Broker
from chat.live.departure import Departure
from chat.live.engine import Live
from chat.messages.page_cache import NewestPages
from chat.messages.post import Posting
from chat.messages.workshop import Workshop
from chat.readiness import Readiness
from chat.rooms.online_members import OnlineMembers
from chat.rooms.seats import Seats
from chat.seldom import Seldom
from chat.settings import Settings
from chat.supervision import Failures
from chat.throttling.throttling import Throttling


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """The parts of the chat in one process, made once by `create_app`."""

    settings: Settings
    database: AsyncEngine
    signer: Signer
    throttling: Throttling
    known_browsers: KnownBrowsers
    failures: Failures
    broker: Broker
    live: Live
    seats: Seats
    newest_pages: NewestPages
    online_members: OnlineMembers
    workshop: Workshop
    posting: Posting
    departure: Departure
    readiness: Readiness
    set_up_invitation: Seldom

    def change(self) -> AbstractAsyncContextManager[Change]:
        """Open a transaction whose events are published once it is committed; raises `DatabaseUnavailable`."""
        return begin_change(self.database, self.live.publish)


class RequestState(State):
    """The state of one request or websocket; the middleware sets everything but `chat`."""

    chat: Chat
    visitor: Visitor | None
    installation: Installation | None
    installation_name: str


Request = starlette.requests.Request[RequestState]
HTTPConnection = starlette.requests.HTTPConnection[RequestState]
WebSocket = starlette.websockets.WebSocket[RequestState]
