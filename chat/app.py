"""The application: every URL, the middleware, and the background tasks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypedDict

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette_compress import CompressMiddleware

from chat import logs
from chat.accounts.tidying import Tidying
from chat.files.tidying import FileTidying
from chat.hosts import AllowedHosts
from chat.reporting import Reporting
from chat.search.index import Indexing
from chat.serving.connections import Connections
from chat.serving.files import most_connections, raise_file_limit
from chat.settings import Settings
from chat.state import Chat, create_chat
from chat.static_files import STATIC, VersionedStaticFiles
from chat.supervision import supervised
from chat.web import (
    admin,
    completions,
    directs,
    emoji,
    faces,
    files,
    first_run,
    health,
    help,
    home,
    invites,
    look,
    members,
    mentions,
    messages,
    metrics,
    people,
    pins,
    presence,
    previews,
    profile,
    quick_switcher,
    reactions,
    reading,
    room_files,
    room_page,
    room_settings,
    rooms,
    search,
    sign_in,
    sign_up,
    socket,
    state_page,
    status,
    uploads,
)
from chat.web.errors import (
    HANDLERS,
    on_database_error,
    on_too_many_requests,
    refuse_crowd,
    refuse_large,
    refuse_malformed,
    refuse_origin,
)
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
from chat.web.routing import IndexedRouter

DISPOSE_SECONDS = 1.0
POST = ["POST"]

ROUTES: list[BaseRoute] = [
    Route("/first-run", first_run.show_first_run),
    Route("/first-run", first_run.set_up_chat, methods=POST),
    Route("/sign-up", sign_up.show_sign_up),
    Route("/sign-up", sign_up.sign_up, methods=POST),
    Route("/invite/{token}", sign_up.show_sign_up),
    Route("/sign-in", sign_in.show_sign_in),
    Route("/sign-in", sign_in.sign_in, methods=POST),
    Route("/sign-out", sign_in.sign_out, methods=POST),
    Route("/admin", admin.show_admin),
    Route("/admin/sign-up", admin.choose_sign_up, methods=POST),
    Route("/admin/invite", admin.make_chat_invite, methods=POST),
    Route("/admin/logo", look.change_the_logo, methods=POST),
    Route("/admin/logo/remove", look.remove_logo, methods=POST),
    Route("/admin/accent", look.change_accent, methods=POST),
    Route("/admin/state", state_page.show_state),
    Route("/admin/invites", admin.list_invites),
    Route("/admin/invites/{invite_id:id}/end", admin.end_listed_invite, methods=POST),
    Route("/profile", profile.show_profile),
    Route("/profile/name", profile.rename_myself, methods=POST),
    Route("/profile/face", faces.change_my_face, methods=POST),
    Route("/profile/face/remove", faces.remove_my_face, methods=POST),
    Route("/profile/rooms", profile.order_my_rooms, methods=POST),
    Route("/profile/theme", profile.choose_my_theme, methods=POST),
    Route("/profile/times", profile.choose_my_times, methods=POST),
    Route("/profile/levels", profile.choose_my_levels, methods=POST),
    Route("/profile/email", profile.change_my_email, methods=POST),
    Route("/profile/password", profile.change_my_password, methods=POST),
    Route("/profile/sessions/end-others", profile.end_other_sessions, methods=POST),
    Route("/profile/sessions/{session_id:id}/end", profile.end_session, methods=POST),
    Route("/me.css", profile.show_my_style),
    Route("/accent.css", look.show_accent),
    Route("/logo/{version}/{side:id}", look.show_logo),
    Route("/status", status.show_status),
    Route("/status", status.choose_status, methods=POST),
    Route("/status/clear", status.clear_status, methods=POST),
    Route("/active", presence.mark_active, methods=POST),
    Route("/people", people.list_people),
    Route("/people/{user_id:id}", people.show_person),
    Route("/people/{user_id:id}/card", people.show_card),
    Route("/people/{user_id:id}/faces/{version}/{side:id}", faces.show_face),
    Route("/", home.show_home),
    Route("/list", home.show_list),
    Route("/sidebar", home.show_sidebar),
    Route("/read", reading.mark_all_rooms_read, methods=POST),
    Route("/switch", quick_switcher.show_quick_switcher),
    Route("/rooms", rooms.browse_rooms),
    Route("/rooms", rooms.create_room, methods=POST),
    Route("/rooms/new", rooms.show_new_room),
    Route("/rooms/{room_id:id}/join", rooms.join_room, methods=POST),
    Route("/rooms/{room_id:id}/leave", rooms.leave_room, methods=POST),
    Route("/rooms/{room_id:id}/members", members.list_members),
    Route("/rooms/{room_id:id}/members", members.add_member, methods=POST),
    Route("/rooms/{room_id:id}/members/{user_id:id}/remove", members.remove_member, methods=POST),
    Route("/rooms/{room_id:id}/members/{user_id:id}/owner", members.make_owner, methods=POST),
    Route("/rooms/{room_id:id}/members/{user_id:id}/owner/end", members.end_ownership, methods=POST),
    Route("/rooms/{room_id:id}/settings", room_settings.show_room_settings),
    Route("/rooms/{room_id:id}/settings", room_settings.change_room_settings, methods=POST),
    Route("/rooms/{room_id:id}/name", room_settings.name_conversation, methods=POST),
    Route("/rooms/{room_id:id}/face", faces.change_picture_of_room, methods=POST),
    Route("/rooms/{room_id:id}/face/remove", faces.remove_picture_of_room, methods=POST),
    Route("/rooms/{room_id:id}/faces/{version}/{side:id}", faces.show_room_picture),
    Route("/rooms/{room_id:id}/favourite", room_settings.choose_favourite, methods=POST),
    Route("/rooms/{room_id:id}/level", room_settings.choose_notification_level, methods=POST),
    Route("/rooms/{room_id:id}/archive", room_settings.archive_room, methods=POST),
    Route("/rooms/{room_id:id}/restore", room_settings.restore_room, methods=POST),
    Route("/rooms/{room_id:id}/delete", room_settings.show_room_deletion),
    Route("/rooms/{room_id:id}/delete", room_settings.delete_room, methods=POST),
    Route("/rooms/{room_id:id}/invite", invites.show_invite),
    Route("/rooms/{room_id:id}/invite", invites.make_invite, methods=POST),
    Route("/rooms/{room_id:id}/invite/end", invites.end_invite, methods=POST),
    Route("/rooms/{room_id:id}/invite.svg", invites.show_qr_code),
    Route("/join/{token}", invites.show_invitation),
    Route("/join/{token}", invites.accept_invitation, methods=POST),
    Route("/direct/new", directs.show_new_direct),
    Route("/direct", directs.open_direct, methods=POST),
    Route("/rooms/{room_id:id}", room_page.show_room),
    Route("/rooms/{room_id:id}/head", room_page.show_room_head),
    Route("/rooms/{room_id:id}/messages", messages.list_messages),
    Route("/rooms/{room_id:id}/messages", messages.post_message, methods=POST),
    Route("/rooms/{room_id:id}/messages/{message_id:id}", room_page.show_room_around_message),
    Route("/rooms/{room_id:id}/said/{position:id}", messages.show_summary),
    Route("/rooms/{room_id:id}/completions", completions.list_completions),
    Route("/rooms/{room_id:id}/typing", presence.tell_typing, methods=POST),
    Route("/rooms/{room_id:id}/read", reading.mark_room_read, methods=POST),
    Route("/rooms/{room_id:id}/files", room_files.list_files),
    Route("/rooms/{room_id:id}/pinned", pins.list_pins),
    Route("/files/{file_id:id}/{name}", files.show_file),
    Route("/files/{file_id:id}/thumbnails/{scale:id}", files.show_thumbnail),
    Route("/rooms/{room_id:id}/uploads", uploads.describe_uploads, methods=["OPTIONS"]),
    Route("/rooms/{room_id:id}/uploads", uploads.create_upload, methods=POST),
    Route("/uploads/{upload_id:id}", uploads.show_upload, methods=["HEAD"]),
    Route("/uploads/{upload_id:id}", uploads.append_to_upload, methods=["PATCH"]),
    Route("/uploads/{upload_id:id}", uploads.cancel_upload, methods=["DELETE"]),
    Route("/messages/{message_id:id}", messages.show_message),
    Route("/messages/{message_id:id}/actions", messages.show_message_actions),
    Route("/messages/{message_id:id}/edit", messages.show_message_editor),
    Route("/messages/{message_id:id}/edit", messages.edit_message, methods=POST),
    Route("/messages/{message_id:id}/delete", messages.delete_message, methods=POST),
    Route("/messages/{message_id:id}/reply", messages.reply_to_message),
    Route("/messages/{message_id:id}/previews/remove", previews.remove_previews, methods=POST),
    Route("/messages/{message_id:id}/previews/{preview_id:id}", previews.show_picture),
    Route("/messages/{message_id:id}/pin", pins.change_pin, methods=POST),
    Route("/messages/{message_id:id}/reactions", reactions.show_reactions),
    Route("/messages/{message_id:id}/reactions", reactions.change_reaction, methods=POST),
    Route("/messages/{message_id:id}/unread", reading.mark_message_unread, methods=POST),
    Route("/emoji", emoji.show_emoji),
    Route("/emoji", emoji.remember_picked_emoji, methods=POST),
    Route("/emoji/all", emoji.list_all_emoji),
    Route("/emoji/tone", emoji.choose_my_skin_tone, methods=POST),
    Route("/mentions", mentions.list_mentions),
    Route("/search", search.show_search),
    Route("/search", search.remember_search, methods=POST),
    Route("/search/forget", search.forget_searches, methods=POST),
    Route("/help", help.show_help),
    Route("/help/keys", help.show_keys),
    WebSocketRoute("/live", socket.connect_page),
    WebSocketRoute("/rooms/{room_id:id}/live", socket.connect_page),
    Route("/reload", room_page.reload_room),
    Route("/healthz", health.show_liveness),
    Route("/readyz", health.show_readiness),
    Route("/metrics", metrics.show_metrics),
    Mount("/static", VersionedStaticFiles(directory=STATIC)),
]


class _Application(Starlette):
    """A Starlette application whose page for an unexpected error also gets headers, a request id and a log line."""

    def build_middleware_stack(self) -> ASGIApp:
        chat: Chat = self.state.chat
        settings = chat.settings
        within = SecurityHeadersMiddleware(super().build_middleware_stack(), settings.hsts_include_subdomains)
        counted = RequestMiddleware(within, chat.metrics.requests, chat.tracing)
        return ClientMiddleware(counted, settings.forwarded_allow_ips, settings.public_url)


class _LifespanState(TypedDict):
    chat: Chat
    connections: Connections  # serving/protocol.py reads it for each connection


def create_app(settings: Settings, reporting: Reporting | None = None) -> Starlette:
    """Return the application. `settings.database_url` must be set."""
    chat = create_chat(settings)
    app = _Application(middleware=_middleware(chat), exception_handlers=HANDLERS)
    app.router = IndexedRouter(ROUTES, _lifespan)
    app.router.default = WithoutTrailingSlash(app.router)
    app.state.chat = chat
    app.state.reporting = reporting
    return app


def _middleware(chat: Chat) -> list[Middleware]:
    """Return the middleware within that of `_Application`, in the order that a request passes it."""
    settings = chat.settings
    hosts = AllowedHosts(settings.allowed_hosts, settings.public_url)
    return [
        Middleware(CompressMiddleware, minimum_size=1000, zstd_level=3, brotli_quality=3, gzip_level=5),
        Middleware(WellFormedMiddleware, refuse=refuse_malformed),
        Middleware(HostMiddleware, hosts=hosts, public_url=settings.public_url),
        Middleware(BodyLimitMiddleware, limits=settings.file_limits, refuse=refuse_large),
        Middleware(OriginMiddleware, public_url=settings.public_url, refuse=refuse_origin),
        Middleware(SessionMiddleware, chat=chat, now=lambda: datetime.now(UTC), unavailable=on_database_error),
        Middleware(CrowdMiddleware, most=settings.connections_per_address, refuse=refuse_crowd),
        Middleware(ThrottleMiddleware, throttling=chat.throttling, refuse=on_too_many_requests),
    ]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[_LifespanState]:
    chat: Chat = app.state.chat
    settings = chat.settings
    most = most_connections(raise_file_limit())
    connections = Connections(most, settings.connections_per_address, settings.forwarded_allow_ips)
    async with chat.broker, chat.workshop, anyio.create_task_group() as tasks, supervised(chat.failures) as kept:
        await tasks.start(chat.live.run, chat.failures)
        kept.keep(Indexing(chat.database, chat.questions, lambda: chat.live.hub.tally.changes).run, "search indexing")
        kept.keep(Tidying(chat.database).run, "deletion of ended sessions")
        kept.keep(FileTidying(chat.database, chat.questions, chat.uploading.store).run, "deletion of files")
        kept.keep(chat.previewing.run, "previews of links")
        kept.keep(connections.run, "connections")
        kept.keep(chat.metrics.run, "metrics")
        kept.keep(chat.metrics.listen, "metrics of others")
        kept.keep(chat.throttling.run, "throttling")
        kept.keep(chat.departure.run, "departure", may_end=True)
        yield {"chat": chat, "connections": connections}
        await chat.live.presence.leave()
        kept.end()
        tasks.cancel_scope.cancel()
    # A server that does not answer must not delay the shutdown.
    with anyio.move_on_after(DISPOSE_SECONDS):
        await chat.throttling.close()
        await chat.database.dispose()
    await chat.tracing.close()
    reporting: Reporting | None = app.state.reporting
    if reporting is not None:
        await reporting.close()
    # A worker process can log nothing after this: uvicorn raises the signal again, which ends it.
    await anyio.to_thread.run_sync(logs.flush)
