"""The live engine of a process: its parts, and how an event reaches the pages that show it."""

import secrets
from collections.abc import Collection

import anyio
from anyio.abc import TaskStatus

from chat.beat import REST
from chat.ids import UserId
from chat.live import elements
from chat.live.brokers.broker import Broker
from chat.live.bus import Bus
from chat.live.events import (
    Event,
    FleetingEvent,
    LookChanged,
    MembersChanged,
    Mentioned,
    MessageCountsChanged,
    MessagesChanged,
    PagesChanged,
    PersonRenamed,
    PreferencesChanged,
    PresenceChanged,
    ReadPositionMoved,
    RoomChanged,
    RoomDeleted,
    SessionsEnded,
    SidebarsChanged,
    StatusChanged,
    Typing,
)
from chat.live.hub import Hub
from chat.live.open_pages import Fragments, OpenPages
from chat.live.presence import Presence
from chat.live.roster import Roster
from chat.live.socket import LiveSocket
from chat.live.source import Source
from chat.live.unread_counts import UnreadCounts
from chat.supervision import Failures, supervised
from chat.tracing.tracing import Tracing


class Live:
    """Keeps open pages up to date. `run` must be running for as long as it is used."""

    def __init__(
        self, broadcast: Broker, source: Source, fragments: Fragments, *, most_pages: int, tracing: Tracing
    ) -> None:
        node = secrets.token_hex(8)
        self._bus = Bus(broadcast, node, self._show)
        self.hub = Hub(broadcast, node, source, fragments.reload, tracing)
        self.presence = Presence(self._bus, node, on_change=lambda: self._roster.changed())  # noqa: PLW0108  made below
        self._roster = Roster(self.hub, self.presence, source)
        self._unread_counts = UnreadCounts(self._bus, source, self.hub)
        self._open_pages = OpenPages(source, self.hub, fragments)
        self.socket = LiveSocket(
            self.hub,
            self.presence,
            self._roster,
            self._unread_counts,
            self._open_pages,
            most_pages=most_pages,
            too_many_pages=fragments.too_many_pages,
        )

    async def run(self, failures: Failures, *, task_status: TaskStatus[None]) -> None:
        """Keep pages up to date until cancelled."""
        async with anyio.create_task_group() as parts, supervised(failures) as kept:
            await parts.start(self.hub.run, failures)
            await parts.start(self.socket.run, failures)
            parts.start_soon(self.presence.run, failures)
            parts.start_soon(self._unread_counts.run, failures)
            kept.keep(self._bus.listen, "events")
            kept.keep(self._open_pages.check_seats, "seats")
            kept.keep(self._roster.run, "roster")
            task_status.started()

    async def publish(self, event: Event, committed_at: float | None = None) -> None:
        """Show an event on the pages of every process. Never waits for the broker."""
        REST.end()
        if isinstance(event, MessagesChanged):
            self.hub.tally.changes += 1
            await self.hub.publish(event, committed_at)
            if event.message_count is not None:
                self._unread_counts.announce(event.room_id, event.message_count)
        else:
            await self._bus.publish(event)

    def _show(self, event: FleetingEvent) -> None:  # noqa: PLR0912  one case for each event
        """Show an event on the pages of this process."""
        pages = self._open_pages
        match event:
            case MessageCountsChanged():
                self._unread_counts.show(event)
            case RoomChanged():
                self._show_room(event)
            case MembersChanged():
                self._show_members(event)
            case RoomDeleted(room_id, html, members):
                # Sidebars come first: a closed page of the room receives nothing more.
                self._refresh_sidebars(members)
                pages.show_all(elements.changed_pages(["/rooms"]))
                pages.close_room(room_id, html)
            case SidebarsChanged(user_ids):
                self._refresh_sidebars(user_ids)
            case PagesChanged(paths, None):
                pages.show_all(elements.changed_pages(paths))
            case PagesChanged(paths, tuple(user_ids)):
                pages.show_people(user_ids, elements.changed_pages(paths))
            case PersonRenamed(html, directs, user_ids):
                pages.show_all(html)
                self._roster.changed()
                self._refresh_sidebars(user_ids)
                for room_id in directs:
                    pages.show_room(room_id, "")
            case LookChanged(html):
                pages.show_all(html)
            case PreferencesChanged(user_id, html):
                pages.show_people([user_id], html)
            case StatusChanged(user_id):
                self._roster.changed()
                self._refresh_sidebars([user_id])
            case ReadPositionMoved(user_id, room_id, position):
                pages.show_read_position(user_id, room_id, position)
            case Mentioned(user_ids, room_id, position):
                mention, lists = elements.mention(room_id, position), elements.changed_pages(["/mentions"])
                pages.show_people(user_ids, mention + lists)
            case SessionsEnded(session_ids):
                pages.end_sessions(session_ids)
            case Typing(room_id, html):
                pages.show_typing(room_id, html)
            case PresenceChanged():
                self.presence.hear(event)

    def _show_room(self, event: RoomChanged) -> None:
        room_id, pages = event.room_id, self._open_pages
        pages.show_room(room_id, event.html)
        lists = elements.changed_pages([f"/rooms/{room_id}/settings", f"/rooms/{room_id}/pinned"])
        pages.show_people(self._unread_counts.members_here(room_id), lists)
        self._refresh_sidebars(event.members)
        if event.is_listed:
            pages.show_all(elements.changed_pages(["/rooms"]))

    def _show_members(self, event: MembersChanged) -> None:
        room_id, pages = event.room_id, self._open_pages
        self._roster.changed()
        pages.show_room(room_id, event.html)
        if event.arrived or event.left:
            pages.show_all(elements.changed_pages(["/rooms"]))
        members = self._unread_counts.members_here(room_id) if event.members is None else event.members
        pages.show_people(members, elements.changed_pages([f"/rooms/{room_id}/members", f"/rooms/{room_id}/settings"]))
        # Sidebars come first: a closed page of the room receives nothing more.
        self._refresh_sidebars({*event.arrived, *event.left})
        pages.expel(room_id, event.left)

    def _refresh_sidebars(self, user_ids: Collection[UserId]) -> None:
        if user_ids:
            self._open_pages.refresh_sidebars(user_ids)
            self._unread_counts.refresh(user_ids)
