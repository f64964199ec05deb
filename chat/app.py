"""The map of the house: which routes lead where, what every request passes, what runs beside them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp

import chat.web.admin
import chat.web.first_run
import chat.web.health
import chat.web.help
import chat.web.invites
import chat.web.messages
import chat.web.pins
import chat.web.profile
import chat.web.room_settings
import chat.web.rooms
import chat.web.search
import chat.web.sign_in
import chat.web.socket
import chat.web.status
from chat import crash, logs
from chat.accounts.known_browsers import KnownBrowsers
from chat.accounts.tidying import Tidying
from chat.accounts.tokens import Signer
from chat.database.engine import create_engine
from chat.database_source import DatabaseFeed
from chat.hosts import AllowedHosts
from chat.live.brokers.broker import create_broadcast
from chat.live.departure import Departure
from chat.live.hub import Hub
from chat.live.notices import Notices
from chat.live.presence import Presence
from chat.live.roster import OnlineLists
from chat.live.socket import LiveSocket
from chat.live.unread_counts import Activity
from chat.messages.page_cache import NewestPages
from chat.messages.post import Posting
from chat.messages.workshop import Workshop
from chat.readiness import Readiness
from chat.rooms.online_members import OnlineMembers
from chat.rooms.seats import Seats
from chat.search.index import Indexing
from chat.serving.connections import Connections
from chat.serving.files import most_connections, raise_file_limit
from chat.settings import Settings
from chat.supervision import Failures, supervised
from chat.templating import fragment
from chat.throttling.storages import shared_storage
from chat.throttling.throttling import Throttling
from chat.web.errors import (
    HANDLERS,
    on_database_error,
    on_too_many_requests,
    refuse_crowd,
    refuse_large,
    refuse_malformed,
    refuse_origin,
)
from chat.web.forms import MOST_BYTES
from chat.web.middleware.body_limit import BodyLimitMiddleware
from chat.web.middleware.client import ClientMiddleware
from chat.web.middleware.crowd import CrowdMiddleware
from chat.web.middleware.headers import SecurityHeadersMiddleware
from chat.web.middleware.host import HostMiddleware
from chat.web.middleware.origin import OriginMiddleware
from chat.web.middleware.requests import RequestMiddleware
from chat.web.middleware.session import SessionMiddleware
from chat.web.middleware.slashes import WithoutTrailingSlash
from chat.web.middleware.throttling import ThrottleMiddleware
from chat.web.middleware.wellformed import WellFormedMiddleware
from chat.web.static import STATIC, VersionedStaticFiles

DISPOSE_SECONDS = 1.0


class Chat(Starlette):
    """A Starlette application whose page for an unexpected error also gets headers, a request id and a log line."""

    def build_middleware_stack(self) -> ASGIApp:
        settings = self.state.settings
        within = SecurityHeadersMiddleware(super().build_middleware_stack(), settings.hsts_include_subdomains)
        return ClientMiddleware(RequestMiddleware(within), settings.forwarded_allow_ips, settings.public_url)


def create_app(settings: Settings) -> Starlette:
    """The application. `settings.database_url` must be set."""
    assert settings.database_url is not None
    crash.arm(settings.crash_points)
    database = create_engine(settings.database_url, connections=settings.database_pool)
    signer = Signer(settings.secret_key)
    throttling = Throttling(shared_storage(settings, database), settings.rate_limits)

    app = Chat(
        routes=[
            *chat.web.first_run.routes,
            *chat.web.sign_in.routes,
            *chat.web.admin.routes,
            *chat.web.profile.routes,
            *chat.web.rooms.routes,
            *chat.web.room_settings.routes,
            *chat.web.invites.routes,
            *chat.web.messages.routes,
            *chat.web.help.routes,
            *chat.web.search.routes,
            *chat.web.status.routes,
            *chat.web.pins.routes,
            *chat.web.socket.routes,
            *chat.web.health.routes,
            Mount("/static", VersionedStaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(WellFormedMiddleware, refuse=refuse_malformed),
            Middleware(
                HostMiddleware,
                hosts=AllowedHosts(settings.allowed_hosts, settings.public_url),
                public_url=settings.public_url,
            ),
            Middleware(BodyLimitMiddleware, max_body_size=MOST_BYTES, refuse=refuse_large),
            Middleware(OriginMiddleware, public_url=settings.public_url, refuse=refuse_origin),
            Middleware(
                SessionMiddleware,
                database=database,
                signer=signer,
                now=lambda: datetime.now(UTC),
                longest=settings.session_lifetime,
                unavailable=on_database_error,
            ),
            Middleware(CrowdMiddleware, most=settings.connections_per_address, refuse=refuse_crowd),
            Middleware(ThrottleMiddleware, throttling=throttling, refuse=on_too_many_requests),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = WithoutTrailingSlash(app.router)
    app.state.settings = settings
    app.state.database = database
    app.state.signer = signer
    app.state.throttling = throttling
    app.state.known_browsers = KnownBrowsers(settings.secret_key)
    app.state.failures = Failures()
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[dict[str, Connections]]:
    state = app.state
    connections = Connections(
        most_connections(raise_file_limit()),
        state.settings.connections_per_address,
        state.settings.forwarded_allow_ips,
    )
    feed = DatabaseFeed(state.database)
    broadcast = create_broadcast(state.settings.broadcast_url)
    hub = Hub(broadcast, feed, reload=fragment("live/_reload.html"))
    presence = Presence(broadcast, on_change=lambda: state.online_lists.changed())  # noqa: PLW0108  made below
    state.broadcast, state.hub, state.presence = broadcast, hub, presence
    state.activity = Activity(broadcast, feed, hub)
    state.online_lists = OnlineLists(hub, presence, feed)
    state.notices = Notices(
        broadcast,
        feed,
        hub,
        state.activity,
        signed_out=fragment("live/_signed_out.html"),
        gone=fragment("live/_gone.html"),
        sidebar=fragment("live/_sidebar_changed.html"),
    )
    state.live_socket = LiveSocket(
        hub,
        presence,
        state.online_lists,
        state.activity,
        state.notices,
        most_pages=state.settings.pages_per_person,
        give_way=fragment("live/_gave_way.html"),
    )
    state.seats = Seats(state.database)
    state.newest_pages = NewestPages()
    state.online_members = OnlineMembers()
    state.workshop = Workshop()
    state.posting = Posting(state.database, state.workshop, hub, state.activity)
    state.departure = Departure(hub.readers)
    state.readiness = Readiness(state.database, state.failures, state.departure)
    indexing = Indexing(state.database)
    broadcast.report_to(state.failures)
    async with (
        broadcast,
        state.workshop,
        anyio.create_task_group() as tasks,
        supervised(state.failures) as kept,
    ):
        await tasks.start(hub.run, state.failures)
        for part in (state.notices, presence, state.activity):
            tasks.start_soon(part.run, state.failures)
        kept.keep(state.online_lists.run, "online lists")
        kept.keep(indexing.run, "search indexing")
        kept.keep(Tidying(state.database).run, "deletion of ended sessions")
        kept.keep(connections.run, "connections")
        kept.keep(state.throttling.run, "throttling")
        kept.keep(state.departure.run, "departure", may_end=True)
        # serving/protocol.py finds it there, for each connection.
        yield {"connections": connections}
        await presence.leave()
        kept.end()
        tasks.cancel_scope.cancel()
    # A server that does not answer must not delay the shutdown.
    with anyio.move_on_after(DISPOSE_SECONDS):
        await state.throttling.close()
        await state.database.dispose()
    # uvicorn then ends a worker by the signal itself, and nothing more is written.
    await anyio.to_thread.run_sync(logs.flush)
