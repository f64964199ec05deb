"""The running chat and its parts, and the state of a request: the chat, and the values set by the middleware."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial

import starlette.requests
import starlette.websockets
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import State

from chat import crash
from chat.accounts.installation import Installation
from chat.accounts.known_browsers import KnownBrowsers
from chat.accounts.person import Visitor
from chat.accounts.tokens import Signer
from chat.change import Change, begin_change, tell_after
from chat.database.engine import create_engine
from chat.database.questions import Questions
from chat.database_source import DatabaseSource
from chat.fetching.fetch import Fetcher
from chat.fetching.guard import Guard
from chat.files.opening import open_store
from chat.files.store import Store
from chat.files.uploading import Uploading
from chat.installed import has_extra
from chat.live.brokers.broker import Broker, create_broadcast
from chat.live.departure import Departure
from chat.live.engine import Live
from chat.live.open_pages import Fragments
from chat.messages.page_cache import NewestPages
from chat.messages.page_previews import PagePreviews
from chat.messages.post import Posting
from chat.messages.previewing import Previewing
from chat.messages.workshop import Workshop
from chat.metrics.metrics import Metrics
from chat.page_posts import PagePosts
from chat.readiness import Readiness
from chat.reminder import Reminder
from chat.rooms.online_members import OnlineMembers
from chat.rooms.seats import Seats
from chat.settings import Settings
from chat.supervision import Failures
from chat.templating import fragment
from chat.throttling.storages import shared_storage
from chat.throttling.throttling import Throttling
from chat.tracing.tracing import Tracing


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """The parts of the chat in one process, made once by `create_chat`."""

    settings: Settings
    database: AsyncEngine
    questions: Questions
    signer: Signer
    throttling: Throttling
    known_browsers: KnownBrowsers
    failures: Failures
    broker: Broker
    live: Live
    seats: Seats
    newest_pages: NewestPages = field(default_factory=NewestPages)
    online_members: OnlineMembers = field(default_factory=OnlineMembers)
    workshop: Workshop
    uploading: Uploading
    posting: Posting
    previewing: Previewing
    departure: Departure
    readiness: Readiness
    metrics: Metrics
    tracing: Tracing
    set_up_reminder: Reminder = field(default_factory=Reminder)

    def change(self) -> AbstractAsyncContextManager[Change]:
        """Open a transaction whose events are published once it is committed; raises `DatabaseUnavailable`."""
        return begin_change(self.database, self.live.publish)


def create_chat(settings: Settings) -> Chat:
    """Create the parts of the chat, without starting them."""
    assert settings.database_url is not None
    crash.arm(settings.crash_points)
    database = create_engine(settings.database_url, connections=settings.database_pool)
    questions = Questions(database)
    broker = create_broadcast(settings.broadcast_url)
    tracing = _tracing(settings)
    source = DatabaseSource(database, questions)
    live = Live(broker, source, _fragments(), most_pages=settings.pages_per_person, tracing=tracing)
    workshop, failures, departure = Workshop(), Failures(), Departure(live.hub.readers)
    uploading = Uploading(database, open_store(settings.files_url), settings.file_limits)
    broker.report_to(failures)
    begin, tell = partial(begin_change, database, live.publish), partial(tell_after, live.publish)
    posting = Posting(database, workshop, uploading, begin, tell, tracing=tracing)
    previewing = _previewing(settings, database, questions, live, uploading.store)
    throttling = Throttling(shared_storage(settings, database), settings.rate_limits)
    live.socket.post = PagePosts(posting, throttling, tracing).post
    return Chat(
        settings=settings,
        database=database,
        questions=questions,
        signer=Signer(settings.secret_key),
        throttling=throttling,
        known_browsers=KnownBrowsers(settings.secret_key),
        failures=failures,
        broker=broker,
        live=live,
        seats=Seats(database),
        workshop=workshop,
        uploading=uploading,
        posting=posting,
        previewing=previewing,
        departure=departure,
        readiness=Readiness(database, failures, departure),
        metrics=Metrics(
            settings.metrics_folder,
            database=database,
            broker=broker,
            hub=live.hub,
            posting=posting,
            uploading=uploading,
            previewing=previewing,
            failures=failures,
        ),
        tracing=tracing,
    )


def _previewing(
    settings: Settings, database: AsyncEngine, questions: Questions, live: Live, store: Store
) -> Previewing:
    fetcher = Fetcher(Guard(settings.link_preview_allow))
    pages = PagePreviews(database, store, fetcher) if settings.link_previews else None
    begin = partial(begin_change, database, live.publish)
    return Previewing(database, questions, begin, pages, settings.public_url)


def _tracing(settings: Settings) -> Tracing:
    if not (settings.exports_traces and has_extra("traces")):
        return Tracing()
    # The import takes as long as a fifth of a start.
    from chat.tracing.export import ExportedTracing  # noqa: PLC0415

    return ExportedTracing()


def _fragments() -> Fragments:
    return Fragments(
        reload=fragment("live/_reload.html"),
        signed_out=fragment("live/_signed_out.html"),
        gone=fragment("live/_gone.html"),
        too_many_pages=fragment("live/_too_many_pages.html"),
        sidebar_changed=fragment("live/_sidebar_changed.html"),
    )


class RequestState(State):
    """The state of one request or websocket; the middleware sets everything but `chat`."""

    chat: Chat
    visitor: Visitor | None
    installation: Installation | None
    installation_name: str
    # Looks the visitor up, where they are only known from an earlier request.
    look_up: Callable[[], Awaitable[None]] | None


Request = starlette.requests.Request[RequestState]
HTTPConnection = starlette.requests.HTTPConnection[RequestState]
WebSocket = starlette.websockets.WebSocket[RequestState]
